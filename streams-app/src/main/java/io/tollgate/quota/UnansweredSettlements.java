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
 * @param ended the adjustments of a calendar period that is over, of which Redis has not been told: it learns of each
 *     period in turn
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
     * @param next what was done to it afterwards
     * @param commits how often the task has come to a commit
     */
    static UnansweredSettlements with(
            @Nullable UnansweredSettlements last,
            BucketCopy held,
            Adjustments next,
            Terms terms,
            int commits,
            long nowMicros) {
        var before = held.adjustments();
        boolean ends = held.isUntold()
                && before.sinceMicros() < next.sinceMicros()
                && !terms.areFullBetween(before.sinceSeconds(), TokenBucket.seconds(nowMicros));
        var ended = ends ? before : last == null ? Adjustments.NONE : last.ended;
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
        return new UnansweredSettlements(next, inNext, committed, withIt, ended, settledIn, atMicros);
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

    /** Returns the uncommitted refunds for which the buckets in Redis have no room by now; 0 or less: none. */
    double surplusTokens(Adjustments all, Promises promises, double nowSeconds, int commits) {
        if (!mayBeUndone(commits)) return 0;
        return all.settledSince(committed)
                - roomTokens(TokenBucket.refill(withCommitted, promises, nowSeconds), promises);
    }

    /**
     * Returns the part of a refund for which the buckets had room before Redis, without knowing of it, made the charges
     * that it answers.
     */
    double takenTokens(double refundTokens, SpendResult.Decided answer, SpendRequest spend) {
        if (refundTokens <= 0) return refundTokens;
        double charged = 0;
        for (int i = 0; i < answer.decisions().size(); i++) {
            var decision = answer.decisions().get(i);
            if (decision.isApproved() && decision.decidedAtMicros() > atMicros)
                charged += spend.charges().get(i).costTokens();
        }
        return Math.max(0, Math.min(refundTokens, roomTokens(answer.buckets(), spend.promises()) - charged));
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
