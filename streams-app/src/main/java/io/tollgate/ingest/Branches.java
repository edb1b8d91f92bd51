package io.tollgate.ingest;

/**
 * The next operator of a record, by its classification. A record that is sent on by name passes no filter.
 *
 * @param readable name of the operator for requests, or reports
 * @param stray name of the operator for strays
 * @param unreadable name of the operator for invalid records
 */
public record Branches(String readable, String stray, String unreadable) {
    String of(Incoming incoming) {
        if (incoming instanceof InvalidRecord) return unreadable;
        return incoming instanceof Stray ? stray : readable;
    }
}
