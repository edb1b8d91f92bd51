package io.tollgate.failover;

import java.time.Instant;
import java.util.Map;

/** Tells whether decisions use the buckets that all programs share, or those of this process. Immutable. */
public sealed interface SharingStatus {
    /** Returns the start of this status. */
    Instant since();

    /** Every decision uses the shared buckets. */
    record Shared(Instant since) implements SharingStatus {}

    /**
     * Some nodes of a Redis cluster are away: their agents' decisions use this process's buckets, all others the
     * shared ones.
     *
     * @param reasons the reason of each lost node, by its address
     */
    record PartlyShared(Instant since, Map<String, String> reasons) implements SharingStatus {
        public PartlyShared {
            reasons = Map.copyOf(reasons);
        }
    }

    /**
     * Every decision uses this process's buckets.
     *
     * @param reason the last failure, in one line without secrets
     */
    record Local(Instant since, String reason) implements SharingStatus {}
}
