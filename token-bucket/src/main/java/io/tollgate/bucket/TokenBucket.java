package io.tollgate.bucket;

import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The arithmetic of a token bucket, as pure functions. The same steps in the same order as {@code spend.lua}, so that both
 * give the same double to the last bit.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc2697">RFC 2697, section 3, token count Tc</a>
 */
public final class TokenBucket {
    private TokenBucket() {}

    /**
     * What a call to {@link #spend} leaves behind.
     *
     * @param bucket the bucket after the last charge
     * @param fence the fence with these decisions, without what is committed
     * @param decisions one for each charge, in their order
     * @param replays how many of them were answered from the fence
     */
    public record Outcome(Bucket bucket, Fence fence, List<Decision> decisions, int replays) {}

    /** Returns a clock reading in the unit that buckets hold: the same double that {@code spend.lua} computes from TIME. */
    public static double seconds(long micros) {
        return micros / 1_000_000 + micros % 1_000_000 / 1e6;
    }

    /**
     * Returns the bucket as it stands at {@code nowSeconds}, never above the limit's capacity.
     *
     * @param nowSeconds seconds since the epoch on the bucket's clock; at or before the last refill, nothing is gained
     */
    public static Bucket refill(Bucket bucket, Limit limit, double nowSeconds) {
        double elapsedSeconds = nowSeconds - bucket.lastRefillSeconds();
        double tokens = bucket.tokens();
        // Two clocks differ: a step back must neither take tokens away nor let the same second be credited twice.
        if (elapsedSeconds > 0) tokens = tokens + elapsedSeconds * limit.refillTokensPerSecond();
        if (tokens > limit.capacityTokens()) tokens = limit.capacityTokens();
        return new Bucket(tokens, Math.max(nowSeconds, bucket.lastRefillSeconds()));
    }

    /**
     * Returns what becomes of the charges, decided one after the other at {@code clockMicros}, or at the bucket's last refill
     * if that is later.
     *
     * <p>A charge whose offset is not above the fence gets the answer it got before, and costs nothing.
     *
     * @param fence the fence of the charges' source; unchanged by charges that are {@link Charge#UNORDERED}
     * @param committedOffset the highest offset that will never be processed again; -1 if none is known
     * @param charges ascending by offset
     */
    public static Outcome spend(
            Bucket bucket,
            Fence fence,
            Limit limit,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            DecidedBy decidedBy) {
        double clockSeconds = seconds(clockMicros);
        var refilled = refill(bucket, limit, clockSeconds);
        double nowSeconds = refilled.lastRefillSeconds();
        long nowMicros = nowSeconds == clockSeconds ? clockMicros : (long) Math.floor(nowSeconds * 1e6 + 0.5);
        double tokens = refilled.tokens();

        var kept = fence.uncommitted(committedOffset);
        long fenceOffset = fence.lastOffset();
        long oldest = -1;
        long newest = fenceOffset;
        int decided = 0;
        int replays = 0;
        var approvedOffsets = new ArrayList<Long>();
        var decisions = new ArrayList<Decision>(charges.size());
        for (Charge charge : charges) {
            long offset = charge.offset();
            double cost = charge.costTokens();
            // Not covered though not above the fence: committed long ago, and read again on an operator's wish.
            Optional<Fence.Group> before =
                    offset >= 0 && offset <= fenceOffset ? kept.recall(offset) : Optional.empty();
            if (before.isPresent()) {
                decisions.add(decideAgain(charge, before.get(), limit, decidedBy));
                replays++;
                continue;
            }
            boolean fresh = offset > fenceOffset;
            if (fresh) {
                if (decided == 0) oldest = offset;
                newest = offset;
                decided++;
            }
            if (cost == 0 || cost <= tokens) {
                if (cost > 0) tokens = tokens - cost;
                if (fresh) approvedOffsets.add(offset);
                decisions.add(new Approved(tokens, nowMicros, decidedBy));
            } else {
                decisions.add(refusal(cost, tokens, nowMicros, limit, decidedBy));
            }
        }

        if (decided > 0) {
            boolean all = approvedOffsets.size() == decided;
            kept = kept.plus(
                    new Fence.Group(oldest, newest, nowMicros, tokens, all, all ? List.of() : approvedOffsets));
        } else if (kept.groups().isEmpty() && fenceOffset >= 0) {
            kept = new Fence(List.of(Fence.Group.upTo(fenceOffset, nowMicros, tokens)));
        }
        return new Outcome(new Bucket(tokens, nowSeconds), kept, decisions, replays);
    }

    /** Returns how long the bucket needs, without spending, until it covers the missing tokens; never too early. */
    static Duration retryAfter(double missingTokens, Limit limit) {
        // One microsecond more: near the present, doubles of seconds since the epoch are 0.24 microseconds apart.
        double millis = Math.floor(missingTokens / limit.refillTokensPerSecond() * 1000 + 0.001) + 1;
        return millis < 9e15 ? Duration.ofMillis((long) millis) : Decision.NEVER;
    }

    private static Decision decideAgain(Charge charge, Fence.Group group, Limit limit, DecidedBy decidedBy) {
        return group.approved(charge.offset())
                ? new Approved(group.tokensAfter(), group.decidedAtMicros(), decidedBy)
                : refusal(charge.costTokens(), group.tokensAfter(), group.decidedAtMicros(), limit, decidedBy);
    }

    private static Decision refusal(double cost, double tokens, long nowMicros, Limit limit, DecidedBy decidedBy) {
        return cost > limit.capacityTokens()
                ? new CostExceedsCapacity(tokens, nowMicros, decidedBy)
                : new QuotaExceeded(tokens, retryAfter(cost - tokens, limit), nowMicros, decidedBy);
    }
}
