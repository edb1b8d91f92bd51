package io.tollgate.redis;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Decision;
import java.util.List;

/** What Redis answered to one agent's {@link Spend}. Immutable. */
public sealed interface Answer {
    /**
     * Decided.
     *
     * @param buckets the buckets after the last decision
     * @param decisions one for each charge, in their order
     * @param replays how many of them had been decided before, and were answered from the fence
     * @param repaired whether a stored field was unreadable and has been replaced
     * @param reconciled whether the bucket continued from our copy
     */
    record Decided(AgentBuckets buckets, List<Decision> decisions, int replays, boolean repaired, boolean reconciled)
            implements Answer {
        /** Returns the bucket of the first limit. */
        public Bucket bucket() {
            return buckets.first();
        }
    }

    /** This agent's key cannot be used, such as one of another type; nothing was charged, and other agents are not concerned. */
    record Failed(String message) implements Answer {}
}
