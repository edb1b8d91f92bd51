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
 * @param gaps whether requests of the source have been refused without asking Redis since the last call: the fence must then
 *     not say "all approved" of the offsets in between
 * @param copy what we last knew of the bucket; null if nothing
 */
public record Spend(
        String agentId,
        Limit limit,
        List<Charge> charges,
        long source,
        long committedOffset,
        boolean gaps,
        @Nullable Copy copy) {
    /** The source of requests that have none: they are never recognised as replays. */
    public static final long NO_SOURCE = 0;

    /**
     * Our copy of a bucket. The bucket in Redis continues from the smaller of the two where the key is gone, where its fence
     * is behind ours (Redis lost writes), or where we decided without it; otherwise Redis is the truth.
     *
     * @param fence our fence for the source of the charges
     * @param decidedWithoutRedis whether it holds decisions that Redis has not seen
     */
    public record Copy(Bucket bucket, Fence fence, boolean decidedWithoutRedis) {}

    /** Returns what a program without an ordered source asks. */
    public static Spend unordered(String agentId, Limit limit, double costTokens, @Nullable Copy copy) {
        return new Spend(agentId, limit, List.of(Charge.of(costTokens)), NO_SOURCE, -1, false, copy);
    }
}
