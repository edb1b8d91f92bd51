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
 * The part of a call for one agent. Immutable.
 *
 * @param kind the kind of bucket: enforced, or shadow
 * @param promises the agent's promises
 * @param charges ascending by offset
 * @param source the source of the charges' offsets (cluster, topic, partition); {@link #NO_SOURCE}: none, and no fence
 * @param committedOffset the highest offset of the source that will never be processed again; -1 if none is known
 * @param isOnce whether requests at or below the fence were decided once and for all: if no group covers one, Redis and
 *     the caller {@linkplain SpendResult.Disagrees disagree}. Otherwise it is decided afresh
 * @param unasked the requests refused without asking before the first charge: if processed again, they are refused
 *     again, although they lie below the fence
 * @param copy our copy of the buckets; null if there is none
 * @param clockSeconds the caller's idea of the clock of Redis, seconds since the epoch, needed to name the periods of
 *     calendar limits; {@link #NO_CLOCK}: there are no calendar limits
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
    /** The source of requests without one: they are never recognised as replays. */
    public static final long NO_SOURCE = 0;

    /** The clock of callers without one. */
    public static final double NO_CLOCK = Double.NaN;

    /** @throws IllegalArgumentException if there is a calendar limit, but no clock */
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

    /** One limit without a name, in the enforced bucket; without a clock. */
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

    /** Returns the agent's present terms. */
    public Terms terms() {
        return promises.terms();
    }

    /**
     * Our copy of an agent's buckets. The buckets in Redis continue from it if the key is gone, if a fence there is
     * behind ours (Redis lost writes), or if we decided without Redis: from the smaller of the two, or from the copy if
     * no other program has written since. Otherwise Redis is the truth.
     *
     * @param foreignSeconds when Redis last met a write of another program, as far as the copy knows ({@link
     *     SpendResult.Decided}); {@link #INCOMPLETE}: the copy may lack decisions that Redis knows
     * @param fenceOffset the last decided offset in the source of the charges; while calls are under way, the last
     *     sent one
     * @param fence our fence for that source
     * @param others the same for other sources
     * @param adjustments the resets and settlements that Redis must know
     * @param settledTokens tokens that settlements had given back by then
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
        /** Marks a copy that may lack decisions which Redis knows: the smaller of the two continues. */
        public static final double INCOMPLETE = -1;

        /** A copy of one bucket, with unchanged terms. */
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

    /** The last decided offset in one source, and the fence if it is to be kept. */
    public record OfSource(long source, long fenceOffset, Fence fence) {}

    /** Returns the request of a program without an ordered source. */
    public static SpendRequest unordered(
            String agentId, Limit limit, double costTokens, @Nullable Copy copy, double clockSeconds) {
        return unordered(agentId, limit, Charge.of(costTokens), copy, clockSeconds);
    }

    /** As above, or a settlement. */
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
