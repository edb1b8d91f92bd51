package io.tollgate.bucket;

import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import io.tollgate.bucket.Decision.TooManyOpenHolds;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The arithmetic of a token bucket, as pure functions. The same steps in the same order as {@code spend.lua}, so that
 * both give the same double to the last bit.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc2697">RFC 2697, section 3, token count Tc</a>
 */
public final class TokenBucket {
    /** 100 years. */
    private static final double LONGEST_WAIT_MILLIS = 100 * 365.25 * 86_400_000;

    private TokenBucket() {}

    /**
     * The result of a call to {@link #spend}.
     *
     * @param buckets the buckets after the last charge
     * @param fence the fence with these decisions, without committed groups
     * @param decisions one for each charge, in their order
     * @param replays the number of answers from the fence
     */
    public record Outcome(AgentBuckets buckets, Fence fence, List<Decision> decisions, int replays) {
        /** Returns the bucket of the first limit. */
        public Bucket bucket() {
            return buckets.first();
        }
    }

    /**
     * Returns a clock reading in seconds, as buckets hold it: the same double that {@code spend.lua} computes
     * from TIME.
     */
    public static double seconds(long micros) {
        return micros / 1_000_000 + micros % 1_000_000 / 1e6;
    }

    /** Returns the nearest whole microseconds, as {@code spend.lua} rounds. */
    public static long micros(double seconds) {
        return (long) Math.floor(seconds * 1e6 + 0.5);
    }

    private static double atMost(double capacityTokens, double tokens) {
        return tokens > capacityTokens ? capacityTokens : tokens;
    }

    /** Returns whether the tokens suffice. A debt covers nothing, not even a cost of 0. */
    private static boolean covers(double tokens, double cost) {
        return cost <= tokens;
    }

    private static double charged(double tokens, double cost) {
        return cost > 0 ? tokens - cost : tokens;
    }

    /** Returns the later of two moments; neither is NaN. */
    static double later(double oneSeconds, double otherSeconds) {
        return oneSeconds > otherSeconds ? oneSeconds : otherSeconds; // Math.max would check for NaN and the sign of 0
    }

    /**
     * The moment of a decision.
     *
     * @param aheadSeconds by how much the bucket is ahead of its clock: it stands still for that long
     */
    record Moment(double seconds, long micros, double aheadSeconds) {
        /** Returns this moment, which is the clock's own unless the bucket is ahead of it. */
        static Moment of(double nowSeconds, long clockMicros) {
            double clockSeconds = TokenBucket.seconds(clockMicros);
            long micros = nowSeconds == clockSeconds ? clockMicros : TokenBucket.micros(nowSeconds);
            return new Moment(nowSeconds, micros, nowSeconds - clockSeconds);
        }
    }

    /**
     * Returns the bucket as it stands at {@code nowSeconds}, never above the limit's capacity.
     *
     * @param nowSeconds seconds since the epoch on the bucket's clock; at or before the last refill, nothing is gained
     */
    public static Bucket refill(Bucket bucket, Limit limit, double nowSeconds) {
        double lastRefillSeconds = bucket.lastRefillSeconds();
        double tokens = limit.refilled(bucket.tokens(), lastRefillSeconds, nowSeconds);
        return new Bucket(tokens, later(nowSeconds, lastRefillSeconds));
    }

    /**
     * Returns the buckets under the present promise, at {@code nowSeconds}, or at their last refill if that is later.
     *
     * <p>Each promise counts from its own moment: the time before is credited by the promise before; a smaller capacity
     * cuts, a larger one gives nothing. A new limit starts full, a removed one is forgotten.
     */
    public static AgentBuckets refill(AgentBuckets held, Promises promises, double nowSeconds) {
        double now = notBefore(held, nowSeconds);
        return buckets(promises.terms(), refilled(held, promises, now), now);
    }

    /**
     * Returns the buckets as {@link #refill(AgentBuckets, Promises, double)} does, with tokens given back in every
     * limit, never above its capacity; a negative amount is taken, and the buckets may fall below zero.
     */
    public static AgentBuckets settle(AgentBuckets held, Promises promises, double nowSeconds, double refundTokens) {
        return settle(held, promises, nowSeconds, refundTokens, Double.POSITIVE_INFINITY);
    }

    /**
     * As {@link #settle(AgentBuckets, Promises, double, double)}, of what was given back before.
     *
     * @param refundedSeconds when: to a limit of the calendar whose period began since, it is nothing
     */
    public static AgentBuckets settle(
            AgentBuckets held, Promises promises, double nowSeconds, double refundTokens, double refundedSeconds) {
        var refilled = refill(held, promises, nowSeconds);
        var limits = promises.terms().limits();
        var settled = new Bucket[limits.size()];
        for (int i = 0; i < settled.length; i++) {
            var bucket = refilled.buckets().get(i);
            var limit = limits.get(i).limit();
            boolean over = limit.isFullBetween(refundedSeconds, bucket.lastRefillSeconds());
            double tokens = atMost(limit.capacityTokens(), bucket.tokens() + (over ? 0 : refundTokens));
            settled[i] = new Bucket(tokens, bucket.lastRefillSeconds());
        }
        return new AgentBuckets(promises.terms(), List.of(settled));
    }

    /** Returns the moment of a decision: not before the last refill of a bucket. */
    private static double notBefore(AgentBuckets held, double clockSeconds) {
        double now = clockSeconds;
        for (var bucket : held.buckets()) now = later(now, bucket.lastRefillSeconds());
        return now;
    }

    /** Returns the tokens for each limit at a moment that is not before the last refill. */
    private static double[] refilled(AgentBuckets held, Promises promises, double nowSeconds) {
        var brought = held.terms() == null
                ? new AgentBuckets(promises.terms(), withLimitsAdded(held, promises.terms(), nowSeconds))
                : held;
        double leftAt = held.first().lastRefillSeconds();
        var earlier = promises.earlier();
        for (int i = 0; i < earlier.size(); i++) {
            double next = i + 1 < earlier.size() ? earlier.get(i + 1).sinceSeconds() : promises.sinceSeconds();
            boolean over = next <= leftAt; // the time at which the tokens were left
            if (!over)
                brought = moved(brought, earlier.get(i).terms(), earlier.get(i).sinceSeconds(), nowSeconds);
        }
        brought = moved(brought, promises.terms(), promises.sinceSeconds(), nowSeconds);
        var limits = promises.terms().limits();
        var tokens = new double[limits.size()];
        for (int i = 0; i < tokens.length; i++) {
            var bucket = brought.buckets().get(i);
            tokens[i] = limits.get(i).limit().refilled(bucket.tokens(), bucket.lastRefillSeconds(), nowSeconds);
        }
        return tokens;
    }

    /** Returns one bucket for each limit; missing ones are full. */
    private static List<Bucket> withLimitsAdded(AgentBuckets held, Terms terms, double nowSeconds) {
        var buckets = new ArrayList<>(held.buckets());
        for (int i = buckets.size(); i < terms.limits().size(); i++) {
            buckets.add(Bucket.full(terms.limits().get(i).limit(), nowSeconds));
        }
        return buckets;
    }

    /** Returns the buckets as they continue under the next promise, at the moment from which it counts. */
    private static AgentBuckets moved(AgentBuckets held, Terms next, double sinceSeconds, double nowSeconds) {
        if (next.equals(held.terms())) return held;
        double at = Math.min(sinceSeconds, nowSeconds);
        var buckets = new Bucket[next.limits().size()];
        for (int i = 0; i < buckets.length; i++) {
            var limit = next.limits().get(i).limit();
            int place = held.predecessor(next, i);
            if (place < 0) {
                buckets[i] = Bucket.full(limit, nowSeconds);
                continue;
            }
            var before = held.buckets().get(place);
            var promised =
                    Objects.requireNonNull(held.terms()).limits().get(place).limit();
            double tokens = promised.refilled(before.tokens(), before.lastRefillSeconds(), at);
            buckets[i] = new Bucket(atMost(limit.capacityTokens(), tokens), later(at, before.lastRefillSeconds()));
        }
        return new AgentBuckets(next, List.of(buckets));
    }

    private static AgentBuckets buckets(Terms terms, double[] tokens, double nowSeconds) {
        var buckets = new Bucket[tokens.length];
        for (int i = 0; i < tokens.length; i++) buckets[i] = new Bucket(tokens[i], nowSeconds);
        return new AgentBuckets(terms, List.of(buckets));
    }

    /**
     * As {@link #spend(AgentBuckets, Fence, Promises, long, List, long, DecidedBy)}, with one limit that never changes.
     */
    public static Outcome spend(
            Bucket bucket,
            Fence fence,
            Limit limit,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            DecidedBy decidedBy) {
        return spend(
                AgentBuckets.of(bucket),
                fence,
                Promises.of(Terms.of(limit)),
                committedOffset,
                charges,
                clockMicros,
                decidedBy);
    }

    /**
     * Decides the charges one after the other at {@code clockMicros}, or at the buckets' last refill if that is later.
     * A charge is taken from the bucket of each limit, or from none.
     *
     * <p>A charge whose offset is not above the fence gets its earlier answer, under the terms of that time, and
     * costs nothing.
     *
     * @param held the buckets as they were left, under any terms
     * @param fence the fence of the charges' source; unchanged by charges that are {@link Charge#UNORDERED}
     * @param promises the agent's promises
     * @param committedOffset the highest offset that will never be processed again; -1 if none is known
     * @param charges ascending by offset
     */
    public static Outcome spend(
            AgentBuckets held,
            Fence fence,
            Promises promises,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            DecidedBy decidedBy) {
        return spend(held, fence, promises, committedOffset, charges, clockMicros, clockMicros, decidedBy);
    }

    /**
     * As {@link #spend(AgentBuckets, Fence, Promises, long, List, long, DecidedBy)}, decided not before
     * {@code notBeforeMicros}. Waits count from the clock.
     */
    public static Outcome spend(
            AgentBuckets held,
            Fence fence,
            Promises promises,
            long committedOffset,
            List<Charge> charges,
            long clockMicros,
            long notBeforeMicros,
            DecidedBy decidedBy) {
        double nowSeconds = notBefore(held, seconds(Math.max(clockMicros, notBeforeMicros)));
        var now = Moment.of(nowSeconds, clockMicros);
        long nowMicros = now.micros();
        var terms = promises.terms();
        double[] tokens = refilled(held, promises, nowSeconds);

        var kept = fence.uncommitted(committedOffset);
        long fenceOffset = fence.lastOffset();
        var fenced = new ArrayList<Charge>(1);
        var answers = new ArrayList<Decision>(1);
        int replays = 0;
        var decisions = new Decision[charges.size()];
        for (int i = 0; i < decisions.length; i++) {
            var charge = charges.get(i);
            long offset = charge.offset();
            // In no group although not above the fence: committed long ago, and read again on an operator's wish.
            var before = offset >= 0 && offset <= fenceOffset ? kept.find(offset) : null;
            if (before != null) {
                decisions[i] = decideAgain(charge, before, terms, decidedBy);
                replays++;
                continue;
            }
            decisions[i] = charge.isSettlement()
                    ? settle(tokens, charge.costTokens(), now, terms, decidedBy)
                    : decide(tokens, charge.costTokens(), now, terms, decidedBy);
            if (offset <= fenceOffset) continue;
            fenced.add(charge);
            answers.add(decisions[i]);
        }

        if (!fenced.isEmpty()) {
            kept = kept.plus(Fence.Group.of(fenced, answers, boxed(tokens)));
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

    /**
     * Takes a cost from the tokens of each limit, even below zero; a negative cost gives tokens back, never above
     * the capacity.
     */
    private static Decision settle(double[] tokens, double cost, Moment now, Terms terms, DecidedBy decidedBy) {
        for (int i = 0; i < tokens.length; i++)
            tokens[i] = atMost(terms.limits().get(i).limit().capacityTokens(), tokens[i] - cost);
        return new Approved(least(tokens), now.micros(), decidedBy, terms);
    }

    /** Decides one charge, and takes it from the tokens of each limit, or of none. */
    private static Decision decide(double[] tokens, double cost, Moment now, Terms terms, DecidedBy decidedBy) {
        if (tokens.length == 1) {
            var decision = decide(tokens[0], cost, now, terms, decidedBy);
            tokens[0] = decision.remainingTokens();
            return decision;
        }
        int refusing = refusing(terms, tokens, cost, now.seconds());
        if (refusing >= 0) return refusal(cost, tokens[refusing], now, terms, refusing, decidedBy);
        for (int i = 0; i < tokens.length; i++) tokens[i] = charged(tokens[i], cost);
        return new Approved(least(tokens), now.micros(), decidedBy, terms);
    }

    /** Decides one charge under terms with a single limit; the decision shows what is left of these tokens. */
    static Decision decide(double tokens, double cost, Moment now, Terms terms, DecidedBy decidedBy) {
        return covers(tokens, cost)
                ? new Approved(charged(tokens, cost), now.micros(), decidedBy, terms)
                : refusal(cost, tokens, now, terms, 0, decidedBy);
    }

    /**
     * Returns the index of the limit that does not cover the cost; -1 if all do. Of several, it is one that no wait
     * helps, else the one with the longest wait.
     */
    private static int refusing(Terms terms, double[] tokens, double cost, double nowSeconds) {
        int refusing = -1;
        double longest = 0;
        for (int i = 0; i < tokens.length; i++) {
            if (covers(tokens[i], cost)) continue;
            var limit = terms.limits().get(i).limit();
            if (cost > limit.capacityTokens()) return i;
            double wait = limit.waitSeconds(cost - tokens[i], nowSeconds);
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

    /**
     * Returns the time without spending until the bucket covers the missing tokens, never too short; empty: for ever.
     */
    static Optional<Duration> retryAfter(double missingTokens, Limit limit, Moment now) {
        // One microsecond more: near the present, doubles of seconds since the epoch are 0.24 microseconds apart.
        double seconds = limit.waitSeconds(Math.max(0, missingTokens), now.seconds()) + now.aheadSeconds();
        return waitOf(Math.floor(seconds * 1000 + 0.001) + 1);
    }

    /**
     * Returns so many milliseconds as a wait. It is empty if they are negative, not a number, or longer than anybody
     * waits, so that no caller gets a duration that nanoseconds cannot hold.
     */
    public static Optional<Duration> waitOf(double millis) {
        return millis >= 0 && millis <= LONGEST_WAIT_MILLIS
                ? Optional.of(Duration.ofMillis((long) millis))
                : Optional.empty();
    }

    /** Returns the answer to the charge when the group was decided; {@code now}: the terms if the group keeps none. */
    public static Decision decideAgain(Charge charge, Fence.Group group, Terms now, DecidedBy decidedBy) {
        var terms = group.terms() == null ? now : group.terms();
        var then = Moment.of(seconds(group.decidedAtMicros()), group.decidedAtMicros());
        double[] tokens = new double[group.tokensAfter().size()];
        for (int i = 0; i < tokens.length; i++) tokens[i] = group.tokensAfter().get(i);
        if (group.approved(charge.offset())) {
            return new Approved(least(tokens), group.decidedAtMicros(), decidedBy, terms);
        }
        if (group.isForOpenHolds()) {
            return new TooManyOpenHolds(least(tokens), group.decidedAtMicros(), decidedBy, terms);
        }
        int limit = group.refusedBy(charge.offset());
        return refusal(charge.costTokens(), tokens[limit], then, terms, limit, decidedBy);
    }

    private static Decision refusal(
            double cost, double tokens, Moment now, Terms terms, int limit, DecidedBy decidedBy) {
        var refusing = terms.limits().get(limit).limit();
        return cost > refusing.capacityTokens()
                ? new CostExceedsCapacity(tokens, now.micros(), decidedBy, terms, limit)
                : new QuotaExceeded(
                        tokens, retryAfter(cost - tokens, refusing, now), now.micros(), decidedBy, terms, limit);
    }
}
