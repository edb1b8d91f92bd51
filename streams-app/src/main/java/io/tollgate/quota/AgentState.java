package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketCopy;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What one task knows of one agent's buckets, those that count or those of a shadow policy. Not thread-safe. */
final class AgentState {
    /** How long Redis may go unasked: an operator or another program may have filled the bucket. */
    private static final long TRUSTED_NANOS = 1_000_000_000;

    private final String agentId;
    private final BucketKind kind;
    private final CallsUnderWay calls = new CallsUnderWay();
    private @Nullable BucketCopy bucket;
    private final long restoredMicros;
    private boolean stored = true;
    private long waitsSinceNanos;
    private boolean superseding;
    /** How often the task had come to a commit when our copy decided last, or Redis disagreed; -1: never. */
    private int aloneIn = -1;

    /** Whether Redis has answered since it is in memory: it lacks nothing that Redis was told before. */
    private boolean complete;

    /** Null where nothing was settled that the last answer of Redis lacks, as for nearly all agents. */
    private @Nullable UnansweredSettlements unanswered;

    /** Since Redis answered last. */
    private RefusedUnasked unasked = RefusedUnasked.NONE;

    /** Sources of which Redis has decided a request anew, a bit for each place: what follows is new to it, too. */
    private int pastReplays;

    private long answeredNanos;

    /** @param bucket as it was stored; null: none was, which means full buckets */
    AgentState(String agentId, BucketKind kind, @Nullable BucketCopy bucket) {
        this.agentId = agentId;
        this.kind = kind;
        this.bucket = bucket;
        restoredMicros = bucket == null ? 0 : TokenBucket.micros(bucket.lastRefillSeconds());
    }

    String agentId() {
        return agentId;
    }

    BucketKind kind() {
        return kind;
    }

    /** Returns our copy; null if there is none, which means a full bucket. */
    @Nullable
    BucketCopy bucket() {
        return bucket;
    }

    /** Returns the time of the copy that the state store gave back, microseconds since the epoch; 0: it had none. */
    long restoredMicros() {
        return restoredMicros;
    }

    /** Returns whether the state store holds what we hold. */
    boolean isStored() {
        return stored;
    }

    void markStored() {
        stored = true;
        waitsSinceNanos = 0;
    }

    /** Returns since when it waits to be written behind, by {@link TaskTime#nanoTime}; 0: it does not. */
    long waitsSinceNanos() {
        return waitsSinceNanos;
    }

    void waitsSince(long nanos) {
        waitsSinceNanos = nanos;
    }

    /** Returns the calls for these buckets. */
    CallsUnderWay calls() {
        return calls;
    }

    /**
     * Resets the buckets. Answers under way know nothing of it; Redis hears of it when it is committed.
     *
     * @param untold whether there is a Redis
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void reset(AgentBuckets full, long nowMicros, boolean untold, int commits) {
        calls.giveUp();
        aloneIn = commits;
        unanswered = null;
        stored = false;
        var filled = held(full);
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
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     * @return what is left
     */
    AgentBuckets settle(double refundTokens, Promises promises, long nowMicros, boolean untold, int commits) {
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = held(AgentBuckets.full(promises.terms(), nowSeconds));
        if (refundTokens == 0) return TokenBucket.refill(held.buckets(), promises, nowSeconds);
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        var next = held.adjustments().settled(refundTokens, promises.terms(), nowMicros);
        unanswered = UnansweredSettlements.with(unanswered, held, next, promises.terms(), commits, nowMicros);
        var settled = TokenBucket.settle(held.buckets(), promises, nowSeconds, refundTokens);
        held.hold(settled);
        held.adjusted(next, untold);
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        if (isDecidedAlone(commits)) { // our copy goes on, and holds what was settled
            unanswered = null;
            held.decidedWithoutRedis(true);
        }
        stored = false;
        return settled;
    }

    /** Removes from the sum the uncommitted refunds for which the buckets in Redis have no room by now. */
    void takeOffWhatHasNoRoom(Promises promises, double nowSeconds, int commits) {
        var held = bucket;
        if (held == null || unanswered == null) return;
        if (!complete && !held.decidedWithoutRedis()) return; // its first answer shows it
        double surplus = unanswered.surplusTokens(held.adjustments(), promises, nowSeconds, commits);
        if (surplus <= 0) return;
        held.adjusted(held.adjustments().settled(-surplus), held.isUntold());
        stored = false;
    }

    /**
     * Returns whether our copy decides, without asking Redis: after it was reset or has decided, or Redis disagreed,
     * until the task has committed. Then it was ours to decide: a task that has lost its partition does not get there,
     * and must not supersede what its successor has decided.
     */
    boolean isDecidedAlone(int commits) {
        return aloneIn == commits;
    }

    /** Returns whether our copy may lack charges of Redis since it was stored, and holds nothing that Redis lacks. */
    boolean mayBeBehind() {
        return !complete && calls.isEmpty() && (bucket == null || !bucket.decidedWithoutRedis());
    }

    /** Returns whether there are settlements since the last answer of Redis. */
    boolean isSettled() {
        return unanswered != null;
    }

    /** Returns whether Redis has not been told of a reset, or of a settlement. */
    boolean isUntold() {
        return bucket != null && bucket.isUntold();
    }

    /** Notes that Redis was told. */
    void told(Adjustments adjustments) {
        if (unanswered != null) unanswered = unanswered.told(adjustments);
        if (bucket == null || !bucket.isUntold() || !bucket.adjustments().equals(adjustments)) return;
        bucket.adjusted(adjustments, false);
        stored = false;
    }

    /**
     * Returns what to ask Redis for these charges.
     *
     * @param place of their source
     * @param once whether decisions are committed together with their offsets
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     * @param nowSeconds the clock of Redis, seconds since the epoch
     */
    SpendRequest spend(
            List<Charge> charges,
            Promises promises,
            int place,
            TaskSources sources,
            long committedOffset,
            boolean once,
            int commits,
            double nowSeconds) {
        return new SpendRequest(
                agentId,
                kind,
                promises,
                charges,
                sources.id(place),
                committedOffset,
                once,
                unasked.fence(place).uncommitted(committedOffset),
                copy(promises, place, sources, status(once), commits, nowSeconds),
                bucket == null ? nowSeconds : Math.max(nowSeconds, bucket.lastRefillSeconds()));
    }

    /** Returns a call that asks whether Redis has decided a request. It carries no copy of ours, which cannot know. */
    SpendRequest recall(PendingDecision request, TaskSources sources, long committedOffset, double nowSeconds) {
        return new SpendRequest(
                agentId,
                kind,
                request.policy().promises(),
                List.of(request.charge()),
                sources.id(request.place()),
                committedOffset,
                false,
                Fence.NONE,
                null,
                nowSeconds);
    }

    /**
     * Returns a call that tells Redis of a reset or a settlement that it {@linkplain #isUntold lacks}. Our copy does
     * not supersede Redis there: no request shows that the agent is still ours to decide.
     */
    SpendRequest tell(
            Promises promises,
            TaskSources sources,
            long committedOffset,
            boolean once,
            int commits,
            double nowSeconds) {
        int place = TaskSources.REQUESTS;
        return new SpendRequest(
                agentId,
                kind,
                promises,
                List.of(),
                sources.id(place),
                committedOffset,
                once,
                Fence.NONE,
                copy(promises, place, sources, CopyStatus.FOLLOWS, commits, nowSeconds),
                bucket == null ? nowSeconds : Math.max(nowSeconds, bucket.lastRefillSeconds()));
    }

    private SpendRequest.@Nullable Copy copy(
            Promises promises, int place, TaskSources sources, CopyStatus status, int commits, double nowSeconds) {
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        return new CopyToSend(bucket, complete, calls, unanswered).forCall(promises, place, sources, status, commits);
    }

    /**
     * Returns whether a request was sent for these buckets, and nothing has been decided on them without Redis since.
     */
    boolean isUsable(PendingDecision request) {
        var asked = request.asked();
        return asked != null && asked.spend().kind() == kind && calls.isUsable(asked);
    }

    /** Returns whether a request was sent for these buckets, in a call whose answer can no longer be used. */
    boolean isAbandoned(PendingDecision request) {
        var asked = request.asked();
        return asked != null && asked.spend().kind() == kind && !calls.isUsable(asked);
    }

    /**
     * Returns the time of a refusal without asking: now, or that of the refusal before, if it is a moment ago and
     * nothing else was decided since. So a flood leaves few groups behind.
     *
     * @param lastMicros when the agent's last decision was made
     */
    long refusedUnaskedAt(int place, long nowMicros, long lastMicros) {
        return unasked.at(place, nowMicros, lastMicros);
    }

    /** Notes a request that was refused without asking: the next call tells Redis, whose fence would not know of it. */
    void refusedUnasked(PendingDecision request, Decision refusal, long committedOffset) {
        unasked = unasked.plus(request.place(), request.charge().offset(), refusal, committedOffset);
    }

    /**
     * Under exactly-once, what Redis decided beyond our copy went nowhere: the answers were given up, or are of a
     * transaction that was aborted. Otherwise the answers of before a crash may have gone out, and must be given again.
     */
    private CopyStatus status(boolean once) {
        boolean alone = bucket != null && bucket.decidedWithoutRedis();
        if (superseding || alone && once) return CopyStatus.SUPERSEDES;
        return alone ? CopyStatus.DECIDED_ALONE : CopyStatus.FOLLOWS;
    }

    /**
     * Makes every answer under way unusable, and our copy the one that Redis must continue from: Redis may have decided
     * requests, in calls that we gave up, whose answers went nowhere.
     */
    void startAnew(Terms terms, double nowSeconds) {
        calls.giveUp();
        superseding = true;
        held(AgentBuckets.full(terms, nowSeconds)).decidedWithoutRedis(true);
    }

    /**
     * Takes over the smaller of our copy and what Redis holds, which knows other decisions than we do.
     *
     * @param once whether decisions that we do not know went nowhere: then our copy goes on, unless another program has
     *     written
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void disagreed(
            RedisCall.Part asked,
            SpendResult.Disagrees inRedis,
            Promises promises,
            double nowSeconds,
            boolean once,
            int commits) {
        aloneIn = commits;
        if (bucket == null) {
            held(inRedis.buckets());
            return;
        }
        if (once && complete && inRedis.foreignSeconds() == bucket.foreignSeconds()) return;
        var theirs = TokenBucket.settle(
                inRedis.buckets(),
                promises,
                nowSeconds,
                settledSince(asked.spend()),
                bucket.adjustments().sinceSeconds());
        hold(bucket, TokenBucket.refill(bucket.buckets(), promises, nowSeconds).atMost(theirs), promises);
    }

    /** Changes our copy to buckets that hold all that was settled. */
    private void hold(BucketCopy held, AgentBuckets next, Promises promises) {
        held.hold(next);
        if (unanswered != null) unanswered = unanswered.by(next, held.adjustments(), promises);
    }

    /** Returns what was settled that a call did not say. */
    private double settledSince(SpendRequest spend) {
        return bucket == null ? 0 : bucket.adjustments().settledSince(told(spend));
    }

    private static Adjustments told(SpendRequest spend) {
        var copy = spend.copy();
        return copy == null ? Adjustments.NONE : copy.adjustments();
    }

    /** Returns our copy; where there is none, one that begins with these buckets. */
    private BucketCopy held(AgentBuckets first) {
        if (bucket == null) bucket = new BucketCopy(first, false);
        return bucket;
    }

    /** Takes over what Redis answered, once for each call. */
    void accept(RedisCall.Part asked, SpendResult.Decided answer, TaskSources sources) {
        calls.accepted(asked);
        complete = true;
        answeredNanos = asked.call().awaitedNanos();
        stored = false;
        superseding = false;
        var spend = asked.spend();
        int place = asked.place();
        if (answer.replays() < answer.decisions().size()) pastReplays |= 1 << place;
        var held = held(answer.buckets());
        long source = spend.source();
        long fenceOffset =
                Math.max(held.lastOffset(source), unasked.fence(place).lastOffset());
        var groups = asked.groups(answer, fenceOffset);
        if (!groups.isEmpty() || !unasked.isNone(place)) {
            var fence = groups.isEmpty() || fenceOffset > spend.committedOffset() ? fence(place, source) : Fence.NONE;
            if (!groups.isEmpty()) fence = fence.uncommitted(spend.committedOffset());
            for (var group : groups) fence = fence.plus(group);
            held.hold(source, fence);
        }
        unasked = unasked.without(place);
        if (isNewer(answer.buckets(), told(spend), held)) hold(held, answer, spend);
        held.keepOnly(sources); // from now on these say what Redis must know
        held.decidedWithoutRedis(false);
        held.foreignSeconds(Math.max(held.foreignSeconds(), answer.foreignSeconds()));
    }

    /** Takes over the buckets of an answer, with what was settled since it was asked for. */
    private void hold(BucketCopy held, SpendResult.Decided answer, SpendRequest spend) {
        var answered = answer.buckets();
        double since = settledSince(spend);
        double taken = unanswered == null ? since : unanswered.takenTokens(since, answer, spend);
        if (taken < since) held.adjusted(held.adjustments().settled(taken - since), held.isUntold());
        since = taken;
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

    /**
     * A stray that was polled late may be decided before requests that were polled, and asked for, earlier: then the
     * older answer comes last, and does not know what the newer one charged.
     *
     * @param inAnswered what was done to them
     */
    private boolean isNewer(AgentBuckets answered, Adjustments inAnswered, BucketCopy held) {
        if (unanswered != null) return unanswered.isOlderThan(answered, inAnswered);
        double answeredAt = answered.first().lastRefillSeconds();
        return answeredAt == held.lastRefillSeconds()
                ? answered.leastTokens() < held.leastTokens()
                : answeredAt > held.lastRefillSeconds();
    }

    /** Returns the buckets to decide on without Redis. */
    AgentBuckets bucketsOrFull(Terms terms, double nowSeconds) {
        return bucket == null ? AgentBuckets.full(terms, nowSeconds) : bucket.buckets();
    }

    /**
     * Returns what to decide by without Redis: the fence, with what was refused without asking since Redis answered
     * last.
     */
    Fence fence(int place, long id) {
        return unasked.over(place, bucket == null ? Fence.NONE : bucket.fence(id));
    }

    /**
     * Keeps what was decided without Redis; answers under way do not know of it.
     *
     * @param once whether decisions are committed together with their offsets: then our copy supersedes Redis, as only
     *     an owner's may. Where it may lack what Redis knows, it does not: the smaller of the two goes on, and the
     *     sooner the better; but Redis must not hear of what depends on a settlement that may be undone
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void decidedLocally(TokenBucket.Outcome outcome, Promises promises, int place, long id, boolean once, int commits) {
        calls.giveUp();
        boolean mayBeUndone = unanswered != null && unanswered.mayBeUndone(commits);
        if (once && (complete || mayBeUndone)) aloneIn = commits;
        stored = false;
        unasked = unasked.without(place);
        var held = held(outcome.buckets());
        hold(held, outcome.buckets(), promises);
        held.hold(id, outcome.fence());
        held.decidedWithoutRedis(true);
    }

    /** Returns whether what Redis has decided beyond our copy counts. */
    boolean follows() {
        return !superseding && (bucket == null || !bucket.decidedWithoutRedis());
    }

    /**
     * Returns whether a request of this source may have been decided before a crash: then Redis knows how, and has
     * charged it.
     */
    boolean mayBeDecidedBefore(int place) {
        return (pastReplays & 1 << place) == 0;
    }

    /**
     * Returns whether Redis would surely refuse this cost now: while only spending happens our copy, refilled to now,
     * is an upper bound of the buckets in Redis. Not where Redis has not been asked for a second, our copy is not what
     * Redis said, or Redis does not know yet what the agent is promised now: a new rate counts from when it does. Nor
     * where the request may have been decided before a crash: Redis knows how, and has charged it. Nor after a
     * settlement that Redis has not answered to: if that is aborted, the refusal would be told again.
     */
    boolean surelyRefuses(int place, double costTokens, Promises promises, double nowSeconds, long nowNanos) {
        var terms = promises.terms();
        if (bucket == null || !complete || bucket.decidedWithoutRedis() || unanswered != null) return false;
        if (costTokens <= bucket.leastTokens()) return false; // nearly always, and refilling gives more
        if (mayBeDecidedBefore(place)) return false;
        if (terms.limits().size() > 1) return false; // processed again, it would be refused, but not by the same limit
        if (nowNanos - answeredNanos >= TRUSTED_NANOS) return false;
        var known = bucket.terms();
        return known != null
                && known.equals(terms)
                && costTokens
                        > TokenBucket.refill(bucket.buckets(), promises, nowSeconds)
                                .leastTokens();
    }
}
