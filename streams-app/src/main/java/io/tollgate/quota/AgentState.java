package io.tollgate.quota;

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
    private final SettledBuckets held;
    private boolean superseding;
    /** How often the task had come to a commit when our copy decided last, or Redis disagreed; -1: never. */
    private int aloneIn = -1;
    /** How often the task had come to a commit when our copy decided last, whether or not Redis may be asked; -1: never. */
    private int decidedLocallyIn = -1;

    /** Since Redis answered last. */
    private RefusedUnasked unasked = RefusedUnasked.NONE;

    /** Sources of which Redis did not know a request, a bit for each place: what follows is new to it, too. */
    private int pastReplays;

    private long answeredNanos;

    /** @param bucket as it was stored; null: none was, which means full buckets */
    AgentState(String agentId, BucketKind kind, @Nullable BucketCopy bucket) {
        this.agentId = agentId;
        this.kind = kind;
        held = new SettledBuckets(bucket);
    }

    String agentId() {
        return agentId;
    }

    BucketKind kind() {
        return kind;
    }

    /** Returns our copy, with what was settled. */
    SettledBuckets held() {
        return held;
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
        held.reset(full, nowMicros, untold);
    }

    /** Gives tokens back to the buckets, as {@link SettledBuckets#settle} says; returns what is left. */
    AgentBuckets settle(double refundTokens, Promises promises, long nowMicros, boolean untold, int commits) {
        return held.settle(refundTokens, promises, nowMicros, untold, isDecidedAlone(commits), commits);
    }

    /**
     * Returns whether our copy decides, without asking Redis: after it was reset or has decided, or Redis disagreed,
     * until the task has committed. Then it was ours to decide: a task that has lost its partition does not get there,
     * and must not supersede what its successor has decided.
     */
    boolean isDecidedAlone(int commits) {
        return aloneIn == commits;
    }

    /** Returns whether our copy holds decisions of its own that are not committed. */
    boolean mayBeUndone(int commits) {
        return decidedLocallyIn == commits;
    }

    /** Returns whether our copy may lack charges of Redis since it was stored, and holds nothing that Redis lacks. */
    boolean mayBeBehind() {
        return !held.isComplete() && calls.isEmpty() && !held.decidedWithoutRedis();
    }

    /** Returns whether Redis has answered after this time, by {@link TaskTime#nanoTime}. */
    boolean isAnsweredAfter(long nanos) {
        return held.isComplete() && answeredNanos - nanos > 0;
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
                held.toSend(promises, place, sources, calls, status(once), commits, nowSeconds),
                held.notBeforeRefill(nowSeconds));
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
     * Returns a call that tells Redis of a reset or a settlement that it {@linkplain SettledBuckets#isUntold lacks}.
     * Our copy does not supersede Redis there: no request shows that the agent is still ours to decide.
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
                held.toSend(promises, place, sources, calls, CopyStatus.FOLLOWS, commits, nowSeconds),
                held.notBeforeRefill(nowSeconds));
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
        boolean alone = held.decidedWithoutRedis();
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
        held.copyOr(AgentBuckets.full(terms, nowSeconds)).decidedWithoutRedis(true);
    }

    /**
     * Takes over the smaller of our copy and what Redis holds, which knows other decisions than we do.
     *
     * @param once whether decisions that we do not know went nowhere: then our copy goes on, unless another program has
     *     written
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void disagreed(RedisCall.Part asked, SpendResult.Disagrees inRedis, double nowSeconds, boolean once, int commits) {
        aloneIn = commits;
        held.disagreed(asked.spend(), inRedis, nowSeconds, once);
    }

    /** Takes over what Redis answered, once for each call. */
    void accept(RedisCall.Part asked, SpendResult.Decided answer, TaskSources sources) {
        calls.accepted(asked);
        answeredNanos = asked.call().awaitedNanos();
        superseding = false;
        var spend = asked.spend();
        int place = asked.place();
        if (answer.replays() < answer.decisions().size()) pastReplays(place);
        var copy = held.copyOr(answer.buckets());
        long source = spend.source();
        long fenceOffset =
                Math.max(copy.lastOffset(source), unasked.fence(place).lastOffset());
        var groups = asked.groups(answer, fenceOffset);
        boolean told = !spend.charges().isEmpty(); // of what was refused unasked, by the call for what follows
        if (told && (!groups.isEmpty() || !unasked.isNone(place))) {
            var fence = groups.isEmpty() || fenceOffset > spend.committedOffset() ? fence(place, source) : Fence.NONE;
            if (!groups.isEmpty()) fence = fence.uncommitted(spend.committedOffset());
            for (var group : groups) fence = fence.plus(group);
            copy.hold(source, fence);
        }
        if (told) unasked = unasked.without(place);
        held.answered(spend, answer, calls);
        copy.keepOnly(sources); // from now on these say what Redis must know
    }

    /**
     * Returns what to decide by without Redis: the fence, with what was refused without asking since Redis answered
     * last.
     */
    Fence fence(int place, long id) {
        return unasked.over(place, held.fence(id));
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
        decidedLocallyIn = commits;
        if (once && (held.isComplete() || held.mayBeUndone(commits))) aloneIn = commits;
        unasked = unasked.without(place);
        held.decidedLocally(outcome, promises, id);
    }

    /** Returns whether what Redis has decided beyond our copy counts. */
    boolean follows() {
        return !superseding && !held.decidedWithoutRedis();
    }

    /** Notes that Redis did not know a request of this source: it knows none of what follows. */
    void pastReplays(int place) {
        pastReplays |= 1 << place;
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
     * where the request may have been decided, before a crash or in a call that was given up since: Redis knows how,
     * and has charged it. Nor after a settlement that Redis has not answered to: if that is aborted, the refusal would
     * be told again.
     *
     * @param source the id of the request's source
     */
    boolean surelyRefuses(PendingDecision request, long source, double nowSeconds, long nowNanos) {
        double costTokens = request.charge().costTokens();
        var promises = request.policy().promises();
        var terms = promises.terms();
        var copy = held.copy();
        if (copy == null || !held.isComplete() || copy.decidedWithoutRedis() || held.isSettled()) return false;
        if (costTokens <= copy.leastTokens()) return false; // nearly always, and refilling gives more
        if (mayBeDecidedBefore(request.place())) return false;
        if (request.charge().offset() <= copy.lastOffset(source)) return false;
        if (terms.limits().size() > 1) return false; // processed again, it would be refused, but not by the same limit
        if (nowNanos - answeredNanos >= TRUSTED_NANOS) return false;
        var known = copy.terms();
        return known != null
                && known.equals(terms)
                && costTokens
                        > TokenBucket.refill(copy.buckets(), promises, nowSeconds)
                                .leastTokens();
    }
}
