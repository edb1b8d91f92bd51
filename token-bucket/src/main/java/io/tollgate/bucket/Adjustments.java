package io.tollgate.bucket;

import java.util.List;

/**
 * The resets and settlements of one agent's buckets. Each call to Redis carries all of them, so that Redis counts them
 * once, however often and by whomever it is told. Immutable.
 *
 * <p>Counting begins with the last reset, or else with the first settlement, or with the first one in a calendar
 * period. A forgotten copy of the buckets begins again later: adjustments with an earlier beginning are then out
 * of date.
 *
 * @param sinceMicros when counting began, microseconds since the epoch on the bucket's clock; 0: there were none
 * @param byReset whether counting began with a reset, at which the buckets were full
 * @param settledTokens tokens that settlements have given back since then, in every limit; below 0 if more was used
 *     than reserved
 */
public record Adjustments(long sinceMicros, boolean byReset, double settledTokens) {
    /** No adjustments, as for nearly all agents. */
    public static final Adjustments NONE = new Adjustments(0, false, 0);

    /** Returns the adjustments of buckets that are reset now. */
    public static Adjustments reset(long nowMicros) {
        return new Adjustments(nowMicros, true, 0);
    }

    public boolean isNone() {
        return sinceMicros == 0;
    }

    /** Returns these with one more settlement; they are not {@linkplain #isNone none}. */
    public Adjustments settled(double refundTokens) {
        return new Adjustments(sinceMicros, byReset, settledTokens + refundTokens);
    }

    /**
     * Returns these with one more settlement, which is made now. Counting begins anew where a period of the calendar
     * began since: what was given back before counts in it no more.
     */
    public Adjustments settled(double refundTokens, Terms terms, long nowMicros) {
        boolean counts = !isNone() && !terms.isFullBetween(sinceSeconds(), TokenBucket.seconds(nowMicros));
        return counts ? settled(refundTokens) : new Adjustments(nowMicros, false, refundTokens);
    }

    /** Returns when counting began, in seconds since the epoch. */
    public double sinceSeconds() {
        return TokenBucket.seconds(sinceMicros);
    }

    /**
     * Returns what settlements have given back since others were all: of those that count, where counting has begun
     * anew.
     */
    public double settledSince(Adjustments others) {
        if (sinceMicros < others.sinceMicros) return -others.settledSince(this);
        return settledTokens - (sinceMicros == others.sinceMicros ? others.settledTokens : 0);
    }

    /**
     * Returns the adjustments as a fence without groups: Redis and our stores keep them so, under a number that no
     * source has.
     */
    public Fence toFence() {
        if (isNone()) return Fence.NONE;
        long resetMicros = byReset ? sinceMicros : 0;
        return new Fence(
                List.of(new Fence.Group(sinceMicros + 1, sinceMicros, resetMicros, settledTokens, false, List.of())));
    }

    /** Returns the adjustments that {@link #toFence} has written. */
    public static Adjustments of(Fence fence) {
        if (fence.groups().isEmpty()) return NONE;
        var group = fence.groups().get(0);
        return new Adjustments(
                group.lastOffset(),
                group.decidedAtMicros() > 0,
                group.tokensAfter().get(0));
    }
}
