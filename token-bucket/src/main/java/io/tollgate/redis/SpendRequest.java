package io.tollgate.redis;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one agent asks of its buckets in one call. Immutable.
 *
 * @param kind which of the agent's buckets: those that count, or those that only say what would be
 * @param promises what the agent is promised
 * @param charges ascending by offset
 * @param source names where the charges' offsets come from (cluster, topic, partition); {@link #NO_SOURCE}: none, no fence
 * @param committedOffset the highest offset of the source that will never be processed again; -1 if none is known
 * @param isOnce whether what is at or below the fence was decided, once and for all: if no group covers it, Redis and the caller
 *     {@linkplain SpendResult.Disagrees disagree}. Otherwise it is decided afresh
 * @param unasked what was refused before the first charge without asking: processed again, it is refused again, although
 *     it lies below the fence
 * @param copy what we last knew of the buckets; null if nothing
 * @param clockSeconds what the caller takes for the clock of Redis, seconds since the epoch; {@link #NO_CLOCK}: no limit is one of the
 *     calendar, whose periods the caller has to name
 */
public record SpendRequest(
        String agentId,
        BucketKind kind,
        Promises promises,
        List<Charge> charges,
        long source,
        long committedOffset,
        boolean isOnce,
        Fence unasked,
        @Nullable Copy copy,
        double clockSeconds) {
    /** The source of requests that have none: they are never recognised as replays. */
    public static final long NO_SOURCE = 0;

    /** The clock of callers that know none. */
    public static final double NO_CLOCK = Double.NaN;

    /** @throws IllegalArgumentException if there is no clock, but a limit of the calendar */
    public SpendRequest {
        if (Double.isNaN(clockSeconds) && promises.needsClock()) {
            throw new IllegalArgumentException("a limit of the calendar needs a clock");
        }
    }

    /** Without a clock. */
    public SpendRequest(
            String agentId,
            BucketKind kind,
            Promises promises,
            List<Charge> charges,
            long source,
            long committedOffset,
            boolean isOnce,
            Fence unasked,
            @Nullable Copy copy) {
        this(agentId, kind, promises, charges, source, committedOffset, isOnce, unasked, copy, NO_CLOCK);
    }

    /** One limit without a name, in the bucket that counts; without a clock. */
    public SpendRequest(
            String agentId, Limit limit, List<Charge> charges, long source, long committedOffset, @Nullable Copy copy) {
        this(
                agentId,
                BucketKind.ENFORCED,
                Promises.of(Terms.of(limit)),
                charges,
                source,
                committedOffset,
                false,
                Fence.NONE,
                copy);
    }

    /** Returns what the agent is promised now. */
    public Terms terms() {
        return promises.terms();
    }

    /**
     * Our copy of an agent's buckets. Those in Redis continue from it where the key is gone, where a fence there is behind ours (Redis
     * lost writes), or where we decided without it: from the smaller of the two, or from the copy where nobody else has written
     * since. Otherwise Redis is the truth.
     *
     * @param foreignSeconds when Redis last met a write of another program, as far as the copy knows ({@link SpendResult.Decided});
     *     {@link #INCOMPLETE}: the copy may lack decisions that Redis knows
     * @param fenceOffset how far decisions went in the source of the charges; while calls are under way, what was sent last
     * @param fence our fence for that source
     * @param others the same for other sources
     * @param adjustments what was done to the buckets besides spending, as Redis is to know it
     * @param settledTokens what settlements had given back by these buckets
     */
    public record Copy(
            AgentBuckets buckets,
            CopyStatus status,
            double foreignSeconds,
            long fenceOffset,
            Fence fence,
            List<OfSource> others,
            Adjustments adjustments,
            double settledTokens) {
        /** What a copy says that may lack decisions which Redis knows: the smaller of the two goes on. */
        public static final double INCOMPLETE = -1;

        /** A copy of one bucket, whose agent is promised what it was. */
        public Copy(Bucket bucket, Fence fence, CopyStatus status) {
            this(AgentBuckets.of(bucket), status, INCOMPLETE, fence.lastOffset(), fence, List.of());
        }

        /** A copy of buckets that were only spent from. */
        public Copy(
                AgentBuckets buckets,
                CopyStatus status,
                double foreignSeconds,
                long fenceOffset,
                Fence fence,
                List<OfSource> others) {
            this(buckets, status, foreignSeconds, fenceOffset, fence, others, Adjustments.NONE, 0);
        }
    }

    /** How far decisions went in one source, and the fence where it is to be kept. */
    public record OfSource(long source, long fenceOffset, Fence fence) {}

    /** Returns what a program without an ordered source asks. */
    public static SpendRequest unordered(
            String agentId, Limit limit, double costTokens, @Nullable Copy copy, double clockSeconds) {
        return unordered(agentId, limit, Charge.of(costTokens), copy, clockSeconds);
    }

    /** As above, also for a settlement. */
    public static SpendRequest unordered(
            String agentId, Limit limit, Charge charge, @Nullable Copy copy, double clockSeconds) {
        return new SpendRequest(
                agentId,
                BucketKind.ENFORCED,
                Promises.of(Terms.of(limit)),
                List.of(charge),
                NO_SOURCE,
                -1,
                false,
                Fence.NONE,
                copy,
                clockSeconds);
    }

    /** As above, without a clock. */
    public static SpendRequest unordered(String agentId, Limit limit, double costTokens, @Nullable Copy copy) {
        return unordered(agentId, limit, costTokens, copy, NO_CLOCK);
    }
}
