package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketCopy;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import org.jspecify.annotations.Nullable;

/** Our copy of one agent's buckets, and the settlements in it that Redis has not answered. Not thread-safe. */
final class SettledBuckets {
    private @Nullable BucketCopy copy;
    private boolean stored = true;
    private boolean waitsForCommit;
    private long waitsSinceNanos;

    /**
     * Whether it lacks nothing that Redis was told before, and that counts: Redis has answered since it is in memory;
     * or it was stored with decisions of its own, and then it was written with each commit.
     */
    private boolean complete;

    /** Null where nothing was settled that the last answer of Redis lacks, as for nearly all agents. */
    private @Nullable UnansweredSettlements unanswered;

    /** The adjustments that the last call has named. */
    private Adjustments sent = Adjustments.NONE;

    /** @param copy as it was stored; null: none was, which means full buckets */
    SettledBuckets(@Nullable BucketCopy copy) {
        this.copy = copy;
        complete = copy != null && copy.decidedWithoutRedis();
    }

    /** Returns our copy; null if there is none, which means full buckets. */
    @Nullable
    BucketCopy copy() {
        return copy;
    }

    /** Returns our copy; where there is none, one that begins with these buckets. */
    BucketCopy copyOr(AgentBuckets first) {
        if (copy == null) copy = new BucketCopy(first, false);
        return copy;
    }

    /** Returns the buckets to decide on without Redis. */
    AgentBuckets bucketsOrFull(Terms terms, double nowSeconds) {
        return copy == null ? AgentBuckets.full(terms, nowSeconds) : copy.buckets();
    }

    Fence fence(long source) {
        return copy == null ? Fence.NONE : copy.fence(source);
    }

    /** Returns the later of now and the last refill, seconds since the epoch. */
    double notBeforeRefill(double nowSeconds) {
        return copy == null ? nowSeconds : Math.max(nowSeconds, copy.lastRefillSeconds());
    }

    /** Returns the time before which no further answer of Redis lies, seconds since the epoch; 0: any may. */
    double notBeforeSeconds() {
        return copy == null || unanswered != null ? 0 : copy.lastRefillSeconds();
    }

    /** Returns whether the state store holds what we hold. */
    boolean isStored() {
        return stored;
    }

    void markStored() {
        stored = true;
        waitsSinceNanos = 0;
    }

    /** Returns whether it is to be written with the next commit. */
    boolean waitsForCommit() {
        return waitsForCommit;
    }

    void waitsForCommit(boolean waits) {
        waitsForCommit = waits;
    }

    /** Returns since when it waits to be written behind, by {@link TaskTime#nanoTime}; 0: it does not. */
    long waitsSinceNanos() {
        return waitsSinceNanos;
    }

    void waitsSince(long nanos) {
        waitsSinceNanos = nanos;
    }

    /** Returns whether the copy lacks nothing that Redis was told before, and that counts. */
    boolean isComplete() {
        return complete;
    }

    boolean decidedWithoutRedis() {
        return copy != null && copy.decidedWithoutRedis();
    }

    /** Returns whether there are settlements since the last answer of Redis. */
    boolean isSettled() {
        return unanswered != null;
    }

    /** Returns whether it holds uncommitted settlements. */
    boolean mayBeUndone(int commits) {
        return unanswered != null && unanswered.mayBeUndone(commits);
    }

    /** Returns whether Redis has not been told of a reset, or of a settlement. */
    boolean isUntold() {
        return copy != null && copy.isUntold();
    }

    /** @param untold whether there is a Redis */
    void reset(AgentBuckets full, long nowMicros, boolean untold) {
        unanswered = null;
        stored = false;
        var filled = copyOr(full);
        filled.hold(full);
        filled.decidedWithoutRedis(true);
        filled.adjusted(
                Adjustments.reset(Math.max(nowMicros, filled.adjustments().sinceMicros() + 1)), untold);
    }

    /**
     * Gives tokens back in every limit, never above its capacity; a negative amount is taken. Redis learns of it with
     * the first call after the commit, without the tokens for which the buckets had no room: later they would make up
     * for charges made meanwhile.
     *
     * @param untold whether there is a Redis
     * @param alone whether our copy decides
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     * @return what is left
     */
    AgentBuckets settle(
            double refundTokens, Promises promises, long nowMicros, boolean untold, boolean alone, int commits) {
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = copyOr(AgentBuckets.full(promises.terms(), nowSeconds));
        if (refundTokens == 0) return TokenBucket.refill(held.buckets(), promises, nowSeconds);
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        var next = held.adjustments().settled(refundTokens, promises.terms(), nowMicros);
        unanswered = UnansweredSettlements.with(
                unanswered, held, showsRoom(held), next, promises.terms(), commits, nowMicros);
        var settled = TokenBucket.settle(held.buckets(), promises, nowSeconds, refundTokens);
        held.hold(settled);
        held.adjusted(next, untold);
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        if (alone) { // our copy goes on, and holds what was settled
            unanswered = null;
            held.decidedWithoutRedis(true);
        }
        stored = false;
        return settled;
    }

    /** Removes from the sum the refunds that Redis does not know and for which its buckets have no room by now. */
    void takeOffWhatHasNoRoom(Promises promises, double nowSeconds, int commits) {
        var held = copy;
        if (held == null || unanswered == null) return;
        if (!showsRoom(held)) return; // its first answer does
        double surplus = unanswered.surplusTokens(held.adjustments(), sent, promises, nowSeconds, commits);
        if (surplus <= 0) return;
        held.adjusted(held.adjustments().settled(-surplus), held.isUntold());
        stored = false;
    }

    /** Returns whether the copy shows how much room there is in Redis. */
    private boolean showsRoom(BucketCopy held) {
        return complete || held.decidedWithoutRedis();
    }

    /** Notes that Redis was told. */
    void told(Adjustments adjustments) {
        if (unanswered != null) unanswered = unanswered.told(adjustments);
        if (copy == null || !copy.isUntold() || !copy.adjustments().equals(adjustments)) return;
        copy.adjusted(adjustments, false);
        stored = false;
    }

    /** Returns the copy as a call for one source carries it, {@link CopyToSend#forCall}. */
    SpendRequest.@Nullable Copy toSend(
            Promises promises,
            int place,
            TaskSources sources,
            CallsUnderWay calls,
            CopyStatus status,
            int commits,
            double nowSeconds) {
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        var toSend =
                new CopyToSend(copy, complete, calls, unanswered).forCall(promises, place, sources, status, commits);
        if (toSend != null) sent = toSend.adjustments();
        return toSend;
    }

    /**
     * Takes over the smaller of our copy and what Redis holds, which knows other decisions than we do.
     *
     * @param once whether decisions that we do not know went nowhere: then our copy goes on, unless another program has
     *     written
     */
    void disagreed(SpendRequest spend, SpendResult.Disagrees inRedis, double nowSeconds, boolean once) {
        if (copy == null) {
            copyOr(inRedis.buckets());
            return;
        }
        if (once && complete && inRedis.foreignSeconds() == copy.foreignSeconds()) return;
        var promises = spend.promises();
        var theirs = TokenBucket.settle(
                inRedis.buckets(),
                promises,
                nowSeconds,
                copy.adjustments().settledSince(told(spend)),
                copy.adjustments().sinceSeconds());
        hold(copy, TokenBucket.refill(copy.buckets(), promises, nowSeconds).atMost(theirs), promises);
    }

    /** Changes our copy to buckets that hold all that was settled. */
    private void hold(BucketCopy held, AgentBuckets next, Promises promises) {
        held.hold(next);
        if (unanswered != null) unanswered = unanswered.by(next, held.adjustments(), promises);
    }

    /**
     * Takes over the buckets that Redis answered. They are not older than ours, unless something was settled since:
     * then they are compared with what Redis answered before.
     *
     * @param calls the other ones under way
     */
    void answered(SpendRequest spend, SpendResult.Decided answer, CallsUnderWay calls) {
        var held = copyOr(answer.buckets());
        boolean wasConfirmed = showsRoom(held);
        complete = true;
        stored = false;
        if (unanswered == null || unanswered.isOlderThan(answer.buckets(), told(spend)))
            hold(held, answer, spend, wasConfirmed && calls.tell(held.adjustments()));
        held.decidedWithoutRedis(false);
        held.foreignSeconds(Math.max(held.foreignSeconds(), answer.foreignSeconds()));
    }

    /**
     * Takes over the buckets of an answer, with what was settled since it was asked for.
     *
     * @param isTold whether Redis is being told of that by now, and takes off what time has left no room for
     */
    private void hold(BucketCopy held, SpendResult.Decided answer, SpendRequest spend, boolean isTold) {
        var answered = answer.buckets();
        double surplus =
                unanswered == null ? 0 : unanswered.surplusTokens(held.adjustments(), told(spend), answer, spend);
        if (surplus > 0 && !isTold) held.adjusted(held.adjustments().settled(-surplus), held.isUntold());
        double since = held.adjustments().settledSince(told(spend)) - (isTold ? surplus : 0);
        if (unanswered == null || since == 0) {
            held.hold(answered);
            unanswered = null;
        } else {
            unanswered = unanswered.by(answered, held.adjustments().settled(-since), spend.promises());
            held.hold(TokenBucket.settle(
                    answered,
                    spend.promises(),
                    held.lastRefillSeconds(),
                    since,
                    held.adjustments().sinceSeconds()));
        }
        if (spend.copy() != null) told(spend.copy().adjustments());
    }

    private static Adjustments told(SpendRequest spend) {
        var sent = spend.copy();
        return sent == null ? Adjustments.NONE : sent.adjustments();
    }

    /** Keeps what was decided without Redis. */
    void decidedLocally(TokenBucket.Outcome outcome, Promises promises, long source) {
        stored = false;
        var held = copyOr(outcome.buckets());
        hold(held, outcome.buckets(), promises);
        held.hold(source, outcome.fence());
        held.decidedWithoutRedis(true);
    }
}
