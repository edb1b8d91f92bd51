package io.tollgate.redis;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one agent asks of its buckets in one call. Immutable.
 *
 * @param kept which of the agent's buckets: those that count, or those that only say what would be
 * @param terms what the agent is promised now
 * @param charges ascending by offset
 * @param source names where the charges' offsets come from (cluster, topic, partition); {@link #NO_SOURCE}: none, no fence
 * @param committedOffset the highest offset of the source that will never be processed again; -1 if none is known
 * @param unasked what was refused before the first charge without asking: processed again, it is refused again, although
 *     it lies below the fence
 * @param copy what we last knew of the buckets; null if nothing
 */
public record Spend(
        String agentId,
        Kept kept,
        Terms terms,
        List<Charge> charges,
        long source,
        long committedOffset,
        Fence unasked,
        @Nullable Copy copy) {
    /** The source of requests that have none: they are never recognised as replays. */
    public static final long NO_SOURCE = 0;

    /** Which of an agent's buckets. */
    public enum Kept {
        /** Shared with other programs, at {@code quota:<agent>:tokens}. */
        ENFORCED,
        /** Ours alone, at {@code quota:<agent>:shadow}: what is spent here is missing nowhere. */
        SHADOW
    }

    /** One limit without a name, in the bucket that counts. */
    public Spend(
            String agentId, Limit limit, List<Charge> charges, long source, long committedOffset, @Nullable Copy copy) {
        this(agentId, Kept.ENFORCED, Terms.of(limit), charges, source, committedOffset, Fence.NONE, copy);
    }

    /**
     * Our copy of an agent's buckets. Those in Redis continue from the smaller of the two where the key is gone, where its fence
     * is behind ours (Redis lost writes), or where we decided without it; otherwise Redis is the truth.
     *
     * @param fence our fence for the source of the charges
     */
    public record Copy(AgentBuckets buckets, Fence fence, Standing standing) {
        /** A copy of one bucket, whose agent is promised what it was. */
        public Copy(Bucket bucket, Fence fence, Standing standing) {
            this(AgentBuckets.of(bucket), fence, standing);
        }
    }

    /** How our copy stands to the bucket in Redis; the order is that of the script. */
    public enum Standing {
        /** It is what Redis said last. */
        FOLLOWS,
        /** It holds decisions that Redis has not seen. */
        DECIDED_ALONE,
        /** As before; and what Redis has decided beyond it was answered to calls that we have given up. */
        SUPERSEDES
    }

    /** Returns what a program without an ordered source asks. */
    public static Spend unordered(String agentId, Limit limit, double costTokens, @Nullable Copy copy) {
        return new Spend(agentId, limit, List.of(Charge.of(costTokens)), NO_SOURCE, -1, copy);
    }
}
