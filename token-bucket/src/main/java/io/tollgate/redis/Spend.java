package io.tollgate.redis;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one agent asks of its bucket in one call. Immutable.
 *
 * @param charges ascending by offset
 * @param source names where the charges' offsets come from (cluster, topic, partition); {@link #NO_SOURCE}: none, no fence
 * @param committedOffset the highest offset of the source that will never be processed again; -1 if none is known
 * @param copy what we last knew of the bucket; null if nothing
 */
public record Spend(
        String agentId,
        Limit limit,
        List<Charge> charges,
        long source,
        long committedOffset,
        @Nullable Copy copy) {
    /** The source of requests that have none: they are never recognised as replays. */
    public static final long NO_SOURCE = 0;

    /**
     * Our copy of a bucket. The bucket in Redis continues from the smaller of the two where the key is gone, where its fence
     * is behind ours (Redis lost writes), or where we decided without it; otherwise Redis is the truth.
     *
     * @param fence our fence for the source of the charges
     */
    public record Copy(Bucket bucket, Fence fence, Standing standing) {}

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
