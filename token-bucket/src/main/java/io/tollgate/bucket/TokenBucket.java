package io.tollgate.bucket;

import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.DoubleStream;

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
     * @param buckets the buckets after the last charge
     * @param fence the fence with these decisions, without what is committed
     * @param decisions one for each charge, in their order
     * @param replays how many of them were answered from the fence
     */
    public record Outcome(AgentBuckets buckets, Fence fence, List<Decision> decisions, int replays) {
        /** Returns the bucket of the first limit. */
        public Bucket bucket() {
            return buckets.first();
        }
    }

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
     * Returns the buckets under these terms at {@code nowSeconds}, or at their last refill if that is later.
     *
     * <p>The time before counts as it was promised then: a new rate counts from now, a larger capacity gives nothing, a smaller one
     * cuts. A limit that is new starts full, one that is gone is forgotten.
     */
    public static AgentBuckets refill(AgentBuckets held, Terms terms, double nowSeconds) {
        int limits = terms.limits().size();
        double now = nowSeconds;
        for (int i = 0; i < limits; i++) {
            int place = held.predecessor(terms, i);
            if (place >= 0) now = Math.max(now, held.buckets().get(place).lastRefillSeconds());
        }
        var refilled = new ArrayList<Bucket>(limits);
        for (int i = 0; i < limits; i++) {
            int place = held.predecessor(terms, i);
            var limit = terms.limits().get(i).limit();
            if (place < 0) {
                refilled.add(Bucket.full(limit, now));
                continue;
            }
            var before = held.terms() == null
                    ? limit
                    : held.terms().limits().get(place).limit();
            var bucket = refill(held.buckets().get(place), before, now);
            refilled.add(bucket.tokens() > limit.capacityTokens() ? new Bucket(limit.capacityTokens(), now) : bucket);
        }
        return new AgentBuckets(terms, refilled);
    }

    /** As {@link #spend(AgentBuckets, Fence, Terms, long, List, long, DecidedBy)}, with one limit that never changes. */
    public static Outcome spend(
            Bucket bucket,
            Fence fence,
            Limit limit,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            DecidedBy decidedBy) {
        return spend(AgentBuckets.of(bucket), fence, Terms.of(limit), committedOffset, charges, clockMicros, decidedBy);
    }

    /**
     * Returns what becomes of the charges, decided one after the other at {@code clockMicros}, or at the buckets' last refill
     * if that is later. A charge is taken from the bucket of each limit, or from none.
     *
     * <p>A charge whose offset is not above the fence gets the answer it got before, by the terms of then, and costs nothing.
     *
     * @param held the buckets as they were left, under whatever terms
     * @param fence the fence of the charges' source; unchanged by charges that are {@link Charge#UNORDERED}
     * @param terms what the agent is promised now
     * @param committedOffset the highest offset that will never be processed again; -1 if none is known
     * @param charges ascending by offset
     */
    public static Outcome spend(
            AgentBuckets held,
            Fence fence,
            Terms terms,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            DecidedBy decidedBy) {
        double clockSeconds = seconds(clockMicros);
        var refilled = refill(held, terms, clockSeconds);
        double nowSeconds = refilled.first().lastRefillSeconds();
        long nowMicros = nowSeconds == clockSeconds ? clockMicros : (long) Math.floor(nowSeconds * 1e6 + 0.5);
        double[] tokens =
                refilled.buckets().stream().mapToDouble(Bucket::tokens).toArray();

        var kept = fence.uncommitted(committedOffset);
        long fenceOffset = fence.lastOffset();
        long oldest = -1;
        long newest = fenceOffset;
        int decided = 0;
        int replays = 0;
        var approvedOffsets = new ArrayList<Long>();
        var refusals = new ArrayList<Fence.Refusal>();
        var decisions = new ArrayList<Decision>(charges.size());
        for (Charge charge : charges) {
            long offset = charge.offset();
            double cost = charge.costTokens();
            // Not covered though not above the fence: committed long ago, and read again on an operator's wish.
            Optional<Fence.Group> before =
                    offset >= 0 && offset <= fenceOffset ? kept.recall(offset) : Optional.empty();
            if (before.isPresent()) {
                decisions.add(decideAgain(charge, before.get(), terms, decidedBy));
                replays++;
                continue;
            }
            boolean fresh = offset > fenceOffset;
            if (fresh) {
                if (decided == 0) oldest = offset;
                newest = offset;
                decided++;
            }
            int refusing = refusing(terms, tokens, cost);
            if (refusing < 0) {
                if (cost > 0) for (int i = 0; i < tokens.length; i++) tokens[i] = tokens[i] - cost;
                if (fresh) approvedOffsets.add(offset);
                decisions.add(new Approved(least(tokens), nowMicros, decidedBy, terms));
            } else {
                if (fresh && tokens.length > 1) refusals.add(new Fence.Refusal(offset, refusing));
                decisions.add(refusal(cost, tokens[refusing], nowMicros, terms, refusing, decidedBy));
            }
        }

        if (decided > 0) {
            boolean all = approvedOffsets.size() == decided;
            kept = kept.plus(new Fence.Group(
                    oldest,
                    newest,
                    nowMicros,
                    terms,
                    DoubleStream.of(tokens).boxed().toList(),
                    all,
                    all ? List.of() : approvedOffsets,
                    refusals));
        } else if (kept.groups().isEmpty() && fenceOffset >= 0) {
            kept = new Fence(List.of(Fence.Group.upTo(fenceOffset, nowMicros, tokens[0])));
        }
        var after = DoubleStream.of(tokens)
                .mapToObj(left -> new Bucket(left, nowSeconds))
                .toList();
        return new Outcome(new AgentBuckets(terms, after), kept, decisions, replays);
    }

    /**
     * Returns which limit does not cover the cost; -1 if all do. Where several do not: one that no wait helps, else the one with the
     * longest wait.
     */
    private static int refusing(Terms terms, double[] tokens, double cost) {
        if (cost == 0) return -1;
        int refusing = -1;
        double longest = 0;
        for (int i = 0; i < tokens.length; i++) {
            if (cost <= tokens[i]) continue;
            var limit = terms.limits().get(i).limit();
            if (cost > limit.capacityTokens()) return i;
            double wait = (cost - tokens[i]) / limit.refillTokensPerSecond();
            if (refusing >= 0 && !(wait > longest)) continue;
            refusing = i;
            longest = wait;
        }
        return refusing;
    }

    private static double least(double[] tokens) {
        double least = tokens[0];
        for (int i = 1; i < tokens.length; i++) if (tokens[i] < least) least = tokens[i];
        return least;
    }

    /** Returns how long the bucket needs, without spending, until it covers the missing tokens; never too early. */
    static Duration retryAfter(double missingTokens, Limit limit) {
        // One microsecond more: near the present, doubles of seconds since the epoch are 0.24 microseconds apart.
        double millis = Math.floor(Math.max(0, missingTokens) / limit.refillTokensPerSecond() * 1000 + 0.001) + 1;
        return millis < 9e15 ? Duration.ofMillis((long) millis) : Decision.NEVER;
    }

    private static Decision decideAgain(Charge charge, Fence.Group group, Terms now, DecidedBy decidedBy) {
        var terms = group.terms() == null ? now : group.terms();
        double[] tokens =
                group.tokensAfter().stream().mapToDouble(Double::doubleValue).toArray();
        if (group.approved(charge.offset())) {
            return new Approved(least(tokens), group.decidedAtMicros(), decidedBy, terms);
        }
        int limit = group.refusedBy(charge.offset());
        return refusal(charge.costTokens(), tokens[limit], group.decidedAtMicros(), terms, limit, decidedBy);
    }

    private static Decision refusal(
            double cost, double tokens, long nowMicros, Terms terms, int limit, DecidedBy decidedBy) {
        var refusing = terms.limits().get(limit).limit();
        return cost > refusing.capacityTokens()
                ? new CostExceedsCapacity(tokens, nowMicros, decidedBy, terms, limit)
                : new QuotaExceeded(tokens, retryAfter(cost - tokens, refusing), nowMicros, decidedBy, terms, limit);
    }
}
