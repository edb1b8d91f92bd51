package io.tollgate.failover;

import java.time.Instant;
import java.util.Map;

/** Whether decisions use the buckets that all programs share, or those of this process. Immutable. */
public sealed interface SharingStatus {
    /** Returns since when it is so. */
    Instant since();

    /** Every decision uses the shared buckets. */
    record Shared(Instant since) implements SharingStatus {}

    /**
     * Some nodes of a Redis cluster are away: their agents' decisions use this process's buckets, all others the shared ones.
     *
     * @param reasons why each of those nodes is not used, by its address
     */
    record PartlyShared(Instant since, Map<String, String> reasons) implements SharingStatus {
        public PartlyShared {
            reasons = Map.copyOf(reasons);
        }
    }

    /**
     * Every decision uses this process's buckets.
     *
     * @param reason why the shared ones are not used: the last failure, in one line without secrets
     */
    record Local(Instant since, String reason) implements SharingStatus {}
}
