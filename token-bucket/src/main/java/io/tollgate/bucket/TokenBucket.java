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
    /** 100 years. */
    private static final double LONGEST_WAIT_MILLIS = 100 * 365.25 * 86_400_000;

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
     * Returns the tokens after this time, never above the limit's capacity.
     *
     * @param elapsedSeconds since they were left; where it is not above 0, nothing is gained
     */
    static double refilled(double tokens, double elapsedSeconds, Limit limit) {
        // Two clocks differ: a step back must neither take tokens away nor let the same second be credited twice.
        double gained = elapsedSeconds > 0 ? tokens + elapsedSeconds * limit.refillTokensPerSecond() : tokens;
        return atMost(limit.capacityTokens(), gained);
    }

    private static double atMost(double capacityTokens, double tokens) {
        return tokens > capacityTokens ? capacityTokens : tokens;
    }

    /** Returns whether the tokens suffice. A cost of 0 is covered even where another program overdrew the bucket. */
    private static boolean covers(double tokens, double cost) {
        return cost <= tokens || cost == 0;
    }

    private static double charged(double tokens, double cost) {
        return cost > 0 ? tokens - cost : tokens;
    }

    /** Returns the later of two moments; neither is NaN. */
    static double later(double oneSeconds, double otherSeconds) {
        return oneSeconds > otherSeconds ? oneSeconds : otherSeconds; // Math.max would look for NaN and the sign of 0
    }

    /** Returns the moment of a decision, which is the clock's own unless the bucket is ahead of it. */
    static long micros(double nowSeconds, double clockSeconds, long clockMicros) {
        return nowSeconds == clockSeconds ? clockMicros : (long) Math.floor(nowSeconds * 1e6 + 0.5);
    }

    /**
     * Returns the bucket as it stands at {@code nowSeconds}, never above the limit's capacity.
     *
     * @param nowSeconds seconds since the epoch on the bucket's clock; at or before the last refill, nothing is gained
     */
    public static Bucket refill(Bucket bucket, Limit limit, double nowSeconds) {
        double lastRefillSeconds = bucket.lastRefillSeconds();
        double tokens = refilled(bucket.tokens(), nowSeconds - lastRefillSeconds, limit);
        return new Bucket(tokens, later(nowSeconds, lastRefillSeconds));
    }

    /**
     * Returns the buckets under these terms at {@code nowSeconds}, or at their last refill if that is later.
     *
     * <p>The time before counts as it was promised then: a new rate counts from now, a larger capacity gives nothing, a smaller one
     * cuts. A limit that is new starts full, one that is gone is forgotten.
     */
    public static AgentBuckets refill(AgentBuckets held, Terms terms, double nowSeconds) {
        double now = notBefore(held, terms, nowSeconds);
        return buckets(terms, refilled(held, terms, now), now);
    }

    private static double notBefore(AgentBuckets held, Terms terms, double clockSeconds) {
        double now = clockSeconds;
        for (int i = 0; i < terms.limits().size(); i++) {
            int place = held.predecessor(terms, i);
            if (place >= 0) now = later(now, held.buckets().get(place).lastRefillSeconds());
        }
        return now;
    }

    /** Returns the tokens for each limit at a moment that is not before the last refill. */
    private static double[] refilled(AgentBuckets held, Terms terms, double nowSeconds) {
        var tokens = new double[terms.limits().size()];
        for (int i = 0; i < tokens.length; i++) {
            var limit = terms.limits().get(i).limit();
            int place = held.predecessor(terms, i);
            if (place < 0) {
                tokens[i] = limit.capacityTokens();
                continue;
            }
            var before = held.terms() == null
                    ? limit
                    : held.terms().limits().get(place).limit();
            var bucket = held.buckets().get(place);
            double then = refilled(bucket.tokens(), nowSeconds - bucket.lastRefillSeconds(), before);
            tokens[i] = atMost(limit.capacityTokens(), then);
        }
        return tokens;
    }

    private static AgentBuckets buckets(Terms terms, double[] tokens, double nowSeconds) {
        var buckets = new Bucket[tokens.length];
        for (int i = 0; i < tokens.length; i++) buckets[i] = new Bucket(tokens[i], nowSeconds);
        return new AgentBuckets(terms, List.of(buckets));
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
        double nowSeconds = notBefore(held, terms, clockSeconds);
        long nowMicros = micros(nowSeconds, clockSeconds, clockMicros);
        double[] tokens = refilled(held, terms, nowSeconds);

        var kept = fence.uncommitted(committedOffset);
        long fenceOffset = fence.lastOffset();
        long oldest = -1;
        long newest = fenceOffset;
        int decided = 0;
        int approved = 0;
        int replays = 0;
        var decisions = new Decision[charges.size()];
        for (int i = 0; i < decisions.length; i++) {
            var charge = charges.get(i);
            long offset = charge.offset();
            // Not covered though not above the fence: committed long ago, and read again on an operator's wish.
            var before = offset >= 0 && offset <= fenceOffset ? kept.find(offset) : null;
            if (before != null) {
                decisions[i] = decideAgain(charge, before, terms, decidedBy);
                replays++;
                continue;
            }
            decisions[i] = decide(tokens, charge.costTokens(), nowMicros, terms, decidedBy);
            if (offset <= fenceOffset) continue;
            if (decided == 0) oldest = offset;
            newest = offset;
            decided++;
            if (decisions[i].isApproved()) approved++;
        }

        if (decided > 0) {
            boolean all = approved == decided;
            kept = kept.plus(new Fence.Group(
                    oldest,
                    newest,
                    nowMicros,
                    terms,
                    boxed(tokens),
                    all,
                    all || approved == 0 ? List.of() : approvedOffsets(charges, decisions, fenceOffset),
                    all || tokens.length == 1 ? List.of() : refusals(charges, decisions, fenceOffset)));
        } else if (kept.groups().isEmpty() && fenceOffset >= 0) {
            kept = new Fence(List.of(Fence.Group.upTo(fenceOffset, nowMicros, tokens[0])));
        }
        return new Outcome(buckets(terms, tokens, nowSeconds), kept, List.of(decisions), replays);
    }

    private static List<Double> boxed(double[] tokens) {
        var boxed = new Double[tokens.length];
        for (int i = 0; i < tokens.length; i++) boxed[i] = tokens[i];
        return List.of(boxed);
    }

    private static List<Long> approvedOffsets(List<Charge> charges, Decision[] decisions, long fenceOffset) {
        var offsets = new ArrayList<Long>();
        for (int i = 0; i < decisions.length; i++) {
            long offset = charges.get(i).offset();
            if (offset > fenceOffset && decisions[i].isApproved()) offsets.add(offset);
        }
        return offsets;
    }

    private static List<Fence.Refusal> refusals(List<Charge> charges, Decision[] decisions, long fenceOffset) {
        var refusals = new ArrayList<Fence.Refusal>();
        for (int i = 0; i < decisions.length; i++) {
            long offset = charges.get(i).offset();
            if (offset > fenceOffset && decisions[i] instanceof Decision.Refused refused) {
                refusals.add(new Fence.Refusal(offset, refused.limit()));
            }
        }
        return refusals;
    }

    /** Decides one charge, and takes it from the tokens of each limit, or of none. */
    private static Decision decide(double[] tokens, double cost, long nowMicros, Terms terms, DecidedBy decidedBy) {
        if (tokens.length == 1) {
            var decision = decide(tokens[0], cost, nowMicros, terms, decidedBy);
            tokens[0] = decision.remainingTokens();
            return decision;
        }
        int refusing = refusing(terms, tokens, cost);
        if (refusing >= 0) return refusal(cost, tokens[refusing], nowMicros, terms, refusing, decidedBy);
        for (int i = 0; i < tokens.length; i++) tokens[i] = charged(tokens[i], cost);
        return new Approved(least(tokens), nowMicros, decidedBy, terms);
    }

    /** Decides one charge by terms of a single limit; what the decision says is left is what is left of these tokens. */
    static Decision decide(double tokens, double cost, long nowMicros, Terms terms, DecidedBy decidedBy) {
        return covers(tokens, cost)
                ? new Approved(charged(tokens, cost), nowMicros, decidedBy, terms)
                : refusal(cost, tokens, nowMicros, terms, 0, decidedBy);
    }

    /**
     * Returns which limit does not cover the cost; -1 if all do. Where several do not: one that no wait helps, else the one with the
     * longest wait.
     */
    private static int refusing(Terms terms, double[] tokens, double cost) {
        int refusing = -1;
        double longest = 0;
        for (int i = 0; i < tokens.length; i++) {
            if (covers(tokens[i], cost)) continue;
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

    /** Returns how long the bucket needs, without spending, until it covers the missing tokens; never too early. Empty: for ever. */
    static Optional<Duration> retryAfter(double missingTokens, Limit limit) {
        // One microsecond more: near the present, doubles of seconds since the epoch are 0.24 microseconds apart.
        double millis = Math.floor(Math.max(0, missingTokens) / limit.refillTokensPerSecond() * 1000 + 0.001) + 1;
        return waitOf(millis);
    }

    /**
     * Returns so many milliseconds as a wait; empty where they are negative, not a number, or longer than anybody waits: then no wait
     * helps, and no caller's arithmetic meets a duration that nanoseconds cannot hold.
     */
    public static Optional<Duration> waitOf(double millis) {
        return millis >= 0 && millis <= LONGEST_WAIT_MILLIS
                ? Optional.of(Duration.ofMillis((long) millis))
                : Optional.empty();
    }

    private static Decision decideAgain(Charge charge, Fence.Group group, Terms now, DecidedBy decidedBy) {
        var terms = group.terms() == null ? now : group.terms();
        double[] tokens = new double[group.tokensAfter().size()];
        for (int i = 0; i < tokens.length; i++) tokens[i] = group.tokensAfter().get(i);
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
