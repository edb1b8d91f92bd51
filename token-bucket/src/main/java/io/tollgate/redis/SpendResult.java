package io.tollgate.redis;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Decision;
import java.util.List;

/** The answer of Redis to one agent's {@link SpendRequest}. Immutable. */
public sealed interface SpendResult {
    /**
     * Returns the buckets in Redis.
     *
     * @throws UnusableKeyException if the key cannot be used
     */
    AgentBuckets buckets();

    /**
     * Decided.
     *
     * @param buckets the buckets after the last decision
     * @param decisions one for each charge, in their order
     * @param replays how many of them had been decided before, and were answered from the fence
     * @param repaired whether a stored field was unreadable and has been replaced
     * @param reconciled whether the bucket continued from our copy
     * @param foreignSeconds when Redis last met a write of another program, seconds since the epoch; 0: never
     */
    record Decided(
            AgentBuckets buckets,
            List<Decision> decisions,
            int replays,
            boolean repaired,
            boolean reconciled,
            double foreignSeconds)
            implements SpendResult {
        /** Returns the bucket of the first limit. */
        public Bucket bucket() {
            return buckets.first();
        }
    }

    /**
     * Redis lacks decisions that the caller knows or has sent, or knows decisions that the caller lacks. Nothing was
     * charged or written. The caller decides on its own copy, if that holds no more than these buckets, and its next
     * call supersedes.
     *
     * @param buckets the buckets in Redis; full if it has none
     */
    record Disagrees(AgentBuckets buckets, double foreignSeconds) implements SpendResult {}

    /**
     * This agent's key cannot be used, such as one of another type; nothing was charged, and other agents are not
     * concerned.
     */
    record Failed(String message) implements SpendResult {
        @Override
        public AgentBuckets buckets() {
            throw new UnusableKeyException(message);
        }
    }
}
