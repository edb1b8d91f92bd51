package io.tollgate.ingest;

/**
 * Where records go on to, by what they turned out to be: names of the topology's operators. Sent on by name, a record meets no filter.
 *
 * @param readable takes requests, or reports
 * @param stray takes strays
 * @param unreadable takes records that are neither
 */
public record Branches(String readable, String stray, String unreadable) {
    String of(Incoming incoming) {
        if (incoming instanceof InvalidRecord) return unreadable;
        return incoming instanceof Stray ? stray : readable;
    }
}
