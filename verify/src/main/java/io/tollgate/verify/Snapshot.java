package io.tollgate.verify;

import java.util.Map;
import java.util.Set;

/**
 * The part of the topics that was read, so that a record outside it counts neither as lost nor as invented.
 *
 * @param requests by partition of the requests topic
 * @param trimmed partitions of the decided topics whose oldest records retention has removed
 */
record Snapshot(Map<Integer, OffsetSpan> requests, Set<OutputPartition> trimmed) {
    public Snapshot {
        requests = Map.copyOf(requests);
        trimmed = Set.copyOf(trimmed);
    }

    /**
     * Offsets of one partition of the requests topic.
     *
     * @param first the first one read
     * @param end one after the last one read
     * @param logEnd one after the last one that was there when the decided topics had been read
     */
    public record OffsetSpan(long first, long end, long logEnd) {}

    /** A partition of a decided topic. */
    public record OutputPartition(OutputTopic outcome, int partition) {}
}
