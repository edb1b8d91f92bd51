package io.tollgate.preflight;

/**
 * The largest records that can be decided: key, value and headers, in bytes. What is larger is invalid. Immutable.
 *
 * @param requestBytes every topic that carries a request accepts it
 * @param reportBytes every topic that carries a usage report accepts it
 */
public record RecordLimits(int requestBytes, int reportBytes) {
    /** Returns whether one of them is below that of the other limits. */
    public boolean isBelow(RecordLimits others) {
        return requestBytes < others.requestBytes || reportBytes < others.reportBytes;
    }
}
