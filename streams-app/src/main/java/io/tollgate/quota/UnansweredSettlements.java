package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketCopy;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import org.jspecify.annotations.Nullable;

/**
 * The settlements of one agent's buckets since the last answer of Redis. Our copy holds them; Redis learns of them once
 * they are committed. Immutable.
 *
 * @param buckets as they were before, with all adjustments {@code inBuckets}
 * @param committed the adjustments that Redis may be told until the task commits, and {@code withCommitted} the buckets
 *     that hold them
 * @param ended adjustments of which Redis has not been told, and must be told first: those of a calendar period that
 *     is over; or the highest sum, where a debt came after refunds of which nobody knows whether there was room
 * @param settledIn how often the task had come to a commit at the last settlement
 * @param atMicros when the last settlement was made
 */
record UnansweredSettlements(
        AgentBuckets buckets,
        Adjustments inBuckets,
        Adjustments committed,
        AgentBuckets withCommitted,
        Adjustments ended,
        int settledIn,
        long atMicros) {

    /**
     * Returns these with a settlement that is made now.
     *
     * @param last null where there is none yet
     * @param held our copy as it is before
     * @param isConfirmed whether it shows how much room there is in Redis
     * @param next what was done to it afterwards
     * @param commits how often the task has come to a commit
     */
    static UnansweredSettlements with(
            @Nullable UnansweredSettlements last,
            BucketCopy held,
            boolean isConfirmed,
            Adjustments next,
            Terms terms,
            int commits,
            long nowMicros) {
        var before = held.adjustments();
        boolean ends = held.isUntold()
                && before.sinceMicros() < next.sinceMicros()
                && !terms.areFullBetween(before.sinceSeconds(), TokenBucket.seconds(nowMicros));
        var ended = last == null ? Adjustments.NONE : last.ended;
        // The highest sum shows Redis how much of it there was no room for.
        boolean turns = !isConfirmed
                && held.isUntold()
                && before.sinceMicros() == next.sinceMicros()
                && before.settledTokens() > next.settledTokens()
                && (ended.sinceMicros() != before.sinceMicros() || before.settledTokens() > ended.settledTokens());
        if (ends || turns) ended = before;
        var left = held.buckets();
        if (last == null) return new UnansweredSettlements(left, before, before, left, ended, commits, nowMicros);
        boolean goesOn = last.settledIn == commits;
        var committed = goesOn ? last.committed : before;
        var withCommitted = goesOn ? last.withCommitted : left;
        return new UnansweredSettlements(
                last.buckets, last.inBuckets, committed, withCommitted, ended, commits, nowMicros);
    }

    /** Returns these, where the buckets go on as the next ones. */
    UnansweredSettlements by(AgentBuckets next, Adjustments inNext, Promises promises) {
        double told = committed.settledSince(inNext);
        double sinceSeconds = Math.max(committed.sinceSeconds(), inNext.sinceSeconds());
        var withIt = told == 0 ? next : TokenBucket.settle(next, promises, 0, told, sinceSeconds);
        // That of the same period is needed no more: the next buckets show how much room there was.
        boolean isOver = ended.sinceMicros() < inNext.sinceMicros();
        return new UnansweredSettlements(
                next, inNext, committed, withIt, isOver ? ended : Adjustments.NONE, settledIn, atMicros);
    }

    /** Returns these when Redis was told. */
    UnansweredSettlements told(Adjustments adjustments) {
        if (!ended.equals(adjustments)) return this;
        return new UnansweredSettlements(
                buckets, inBuckets, committed, withCommitted, Adjustments.NONE, settledIn, atMicros);
    }

    /** Returns whether some are not committed. */
    boolean mayBeUndone(int commits) {
        return settledIn == commits;
    }

    /** Returns what Redis may be told of all that was done. */
    Adjustments mayBeTold(Adjustments all, int commits) {
        if (mayBeUndone(commits)) return committed;
        return ended.isNone() ? all : ended;
    }

    /**
     * Returns the refunds that Redis does not know, and for which its buckets have no room by now; 0 or less: none. It
     * may know of the committed ones, if any of these was sent.
     *
     * @param sent the adjustments that the last call has named
     */
    double surplusTokens(Adjustments all, Adjustments sent, Promises promises, double nowSeconds, int commits) {
        boolean unsent = sent.settledSince(inBuckets) == 0;
        if (!unsent && !mayBeUndone(commits)) return 0;
        return all.settledSince(unsent ? inBuckets : committed)
                - roomTokens(TokenBucket.refill(unsent ? buckets : withCommitted, promises, nowSeconds), promises);
    }

    /**
     * Returns the refunds for which the buckets had no room before Redis, without knowing of them, made the charges that
     * it answers; 0: none.
     *
     * @param told the adjustments that Redis knew of
     */
    double surplusTokens(Adjustments all, Adjustments told, SpendResult.Decided answer, SpendRequest spend) {
        double refundTokens = all.settledSince(told);
        if (isHighest(all)) refundTokens = ended.settledSince(told);
        if (refundTokens <= 0) return 0;
        double charged = 0;
        for (int i = 0; i < answer.decisions().size(); i++) {
            var decision = answer.decisions().get(i);
            if (decision.isApproved() && decision.decidedAtMicros() > atMicros)
                charged += spend.charges().get(i).costTokens();
        }
        return refundTokens
                - Math.max(0, Math.min(refundTokens, roomTokens(answer.buckets(), spend.promises()) - charged));
    }

    /** Returns whether Redis is to be told the highest sum first. */
    private boolean isHighest(Adjustments all) {
        return ended.sinceMicros() == all.sinceMicros() && ended.settledTokens() > all.settledTokens();
    }

    private static double roomTokens(AgentBuckets buckets, Promises promises) {
        double most = 0;
        var limits = promises.terms().limits();
        for (int i = 0; i < limits.size(); i++) {
            double capacity = limits.get(i).limit().capacityTokens();
            most = Math.max(most, capacity - buckets.buckets().get(i).tokens());
        }
        return most;
    }

    /**
     * Returns whether an answer knows more than the buckets do: it is of a later moment; or of the same one, and less
     * is left when the same was settled in both.
     *
     * @param inAnswered what was done to the answered buckets
     */
    boolean isOlderThan(AgentBuckets answered, Adjustments inAnswered) {
        double answeredAt = answered.first().lastRefillSeconds();
        double at = buckets.first().lastRefillSeconds();
        if (answeredAt != at) return answeredAt > at;
        return answered.leastTokens() < buckets.leastTokens() - inBuckets.settledSince(inAnswered);
    }
}
