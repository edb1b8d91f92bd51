package io.tollgate.failover;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * This process's copy of one agent's bucket in Redis, with its local decisions. Its monitor guards it.
 *
 * <p>Five rules keep it from ever holding more than is left, whatever order calls and answers take:
 *
 * <ul> <li>Costs under way may already be charged: they are held back from local decisions, and from the copy that a
 * call carries. <li>An answer is the truth only if nothing was decided here since its call was sent. Otherwise the copy
 * continues from the smaller of both, and stays untold. <li>Answers that overtake each other do not bring back tokens
 * that the later one has charged. <li>Tokens given back while Redis is away are added there by one call, once: the
 * smaller of both would lose them. Without an answer to that call they are not added again, and may be lost. <li>While
 * Redis lacks something, one call alone tells it; others wait for that call. After an outage Redis is told even its own
 * answers: it may have lost them. </ul>
 */
final class AgentCopy {
    /** The largest step between two readings of one node's clock. A larger step means another clock. */
    private static final long CLOCK_MOVED_MICROS = 1_000_000;

    private static final long NOTHING_COMMITTED = -1;

    /** A call under way, with the state of the copy when it was sent. */
    record Sent(long number, double costTokens, long localCharges, long outages, SpendRequest.@Nullable Copy copy) {}

    /** Requests that wait until Redis knows the local decisions; used by the sender. */
    final Queue<PendingRequest> waiting = new ArrayDeque<>();

    private @Nullable Bucket bucket; // null: unknown, which means full
    private @Nullable Limit limit; // in force at the last decision
    private long clockOffsetMicros; // between the process's own time and the bucket's clock
    private boolean untold;
    private double owedTokens; // given back here, and not yet there; part of the bucket
    private long outages;
    private long localCharges;
    private int underWay;
    private double tokensUnderWay;
    private long sent;
    private long answered;
    private boolean forgotten;

    /** Returns whether this copy was dropped, and another one must be used. */
    boolean isForgotten() {
        return forgotten;
    }

    /** Returns whether Redis lacks local decisions. */
    boolean isUntold() {
        return untold;
    }

    /** Returns whether Redis must be told first of what was given back here. */
    boolean owes() {
        return owedTokens > 0;
    }

    /**
     * Notes that a call is sent now that tells Redis what was given back here. No other is under way.
     *
     * <p>What it carries of the copy is without that, so that the smaller of both is, too.
     */
    Sent sendOwed(Limit limitNow, long outagesNow, long clockMicros, long ownMicros) {
        var left = refilled(limitNow, clockMicros, ownMicros);
        var copy = new SpendRequest.Copy(
                new Bucket(left.tokens() - owedTokens, left.lastRefillSeconds()), Fence.NONE, CopyStatus.DECIDED_ALONE);
        var call = new Sent(++sent, -owedTokens, localCharges, outagesNow, copy);
        owedTokens = 0;
        untold = true; // for as long as there is no answer
        underWay++;
        return call;
    }

    /** Returns whether the copy has no call under way. */
    boolean isIdle() {
        return underWay == 0;
    }

    /** Drops the copy if its bucket is full, since no copy means the same. */
    boolean forgetIfFull(long clockMicros, long ownMicros) {
        if (underWay > 0 || !waiting.isEmpty()) return false;
        if (bucket != null && limit != null) {
            double left = TokenBucket.refill(current(bucket, clockMicros, ownMicros), limit, seconds(clockMicros))
                    .tokens();
            if (left < limit.capacityTokens()) return false;
        }
        forgotten = true;
        return true;
    }

    /**
     * Notes that a call is sent now; empty if it must wait for calls under way.
     *
     * @param outagesNow the number of the node's outages
     * @param clockMicros its clock
     * @param ownMicros the process's own time
     */
    Optional<Sent> send(Limit limitNow, double costTokens, long outagesNow, long clockMicros, long ownMicros) {
        boolean tells = untold || bucket != null && outages != outagesNow;
        if (tells && underWay > 0) return Optional.empty();
        var copy = copy(limitNow, tells, clockMicros, ownMicros);
        underWay++;
        tokensUnderWay += Math.max(0, costTokens); // what is given back counts when Redis says so
        return Optional.of(new Sent(++sent, costTokens, localCharges, outagesNow, copy));
    }

    /** Returns the copy that a call sent now must carry; null for none. */
    SpendRequest.@Nullable Copy copy(Limit limitNow, long outagesNow, long clockMicros, long ownMicros) {
        return copy(limitNow, untold || bucket != null && outages != outagesNow, clockMicros, ownMicros);
    }

    private SpendRequest.@Nullable Copy copy(Limit limitNow, boolean tells, long clockMicros, long ownMicros) {
        if (bucket == null && underWay == 0) return null;
        var status = tells ? CopyStatus.DECIDED_ALONE : CopyStatus.FOLLOWS;
        if (bucket != null && underWay == 0) {
            return new SpendRequest.Copy(current(bucket, clockMicros, ownMicros), Fence.NONE, status);
        }
        var left = refilled(limitNow, clockMicros, ownMicros);
        double heldBack =
                Math.min(tokensUnderWay, Math.max(0, left.tokens())); // uncovered costs are not charged either
        return new SpendRequest.Copy(
                new Bucket(left.tokens() - heldBack, left.lastRefillSeconds()), Fence.NONE, status);
    }

    /** Notes the answer of Redis to a call that is still waited for. */
    void answered(Sent call, SpendResult.Decided answer, Limit limitNow, long clockMicros, long ownMicros) {
        arrived(call);
        if (localCharges == call.localCharges() && call.number() > answered) {
            bucket = answer.bucket();
            untold = false;
            outages = call.outages();
        } else {
            var ours = refilled(limitNow, clockMicros, ownMicros);
            var theirs = TokenBucket.refill(answer.bucket(), limitNow, ours.lastRefillSeconds());
            var decision = answer.decisions().get(0);
            boolean spent = decision.isApproved()
                    && !limitNow.isFullBetween(
                            TokenBucket.seconds(decision.decidedAtMicros()), ours.lastRefillSeconds());
            double charged = spent ? call.costTokens() : 0;
            bucket = new Bucket(
                    Math.min(ours.tokens() - Math.max(0, charged), theirs.tokens()), theirs.lastRefillSeconds());
        }
        answered = Math.max(answered, call.number());
        limit = limitNow;
        clockOffsetMicros = clockMicros - ownMicros;
    }

    /** Notes that a call has failed, or is no longer waited for. */
    void arrived(Sent call) {
        underWay--;
        tokensUnderWay = underWay == 0
                ? 0
                : tokensUnderWay - Math.max(0, call.costTokens()); // so that no rounding error remains
    }

    /** Decides on the local copy. */
    Decision decide(Limit limitNow, Charge charge, long clockMicros, long ownMicros) {
        var left = refilled(limitNow, clockMicros, ownMicros);
        var free = new Bucket(left.tokens() - tokensUnderWay, left.lastRefillSeconds());
        var decision = TokenBucket.spend(
                        free, Fence.NONE, limitNow, NOTHING_COMMITTED, List.of(charge), clockMicros, DecidedBy.LOCAL)
                .decisions()
                .get(0);
        boolean charges = decision.isApproved() && charge.costTokens() > 0;
        bucket = charges ? new Bucket(left.tokens() - charge.costTokens(), left.lastRefillSeconds()) : left;
        limit = limitNow;
        clockOffsetMicros = clockMicros - ownMicros;
        if (charges) {
            untold = true;
            localCharges++;
        }
        return decision;
    }

    /**
     * Charges here and now whatever is left, or gives back.
     *
     * @param owed whether Redis has certainly not been told
     */
    Decision settle(Limit limitNow, Charge charge, boolean owed, long clockMicros, long ownMicros) {
        var left = refilled(limitNow, clockMicros, ownMicros);
        var outcome = TokenBucket.spend(
                left, Fence.NONE, limitNow, NOTHING_COMMITTED, List.of(charge), clockMicros, DecidedBy.LOCAL);
        bucket = outcome.bucket();
        limit = limitNow;
        clockOffsetMicros = clockMicros - ownMicros;
        untold = true;
        localCharges++;
        if (owed) owedTokens += Math.max(0, bucket.tokens() - left.tokens());
        return outcome.decisions().get(0);
    }

    /** Returns the copy refilled to now. */
    Bucket refilled(Limit limitNow, long clockMicros, long ownMicros) {
        if (bucket == null || limit == null) return Bucket.full(limitNow, seconds(clockMicros));
        var filled = TokenBucket.refill(current(bucket, clockMicros, ownMicros), limit, seconds(clockMicros));
        return filled.tokens() <= limitNow.capacityTokens()
                ? filled
                : new Bucket(limitNow.capacityTokens(), filled.lastRefillSeconds());
    }

    /** Resets the bucket. */
    void reset() {
        bucket = null;
        untold = false;
        owedTokens = 0;
        localCharges++; // answers to earlier calls do not cover it
    }

    /**
     * Returns the bucket by the present clock. The clock changes if Redis is first reached after decisions by the
     * host's clock, or moves to another machine. The elapsed time is then measured by this process.
     */
    private Bucket current(Bucket left, long clockMicros, long ownMicros) {
        long moved = clockMicros - ownMicros - clockOffsetMicros;
        return Math.abs(moved) <= CLOCK_MOVED_MICROS
                ? left
                : new Bucket(left.tokens(), left.lastRefillSeconds() + moved / 1e6);
    }

    private static double seconds(long micros) {
        return TokenBucket.seconds(micros);
    }
}
