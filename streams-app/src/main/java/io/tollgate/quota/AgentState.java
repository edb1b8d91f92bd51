package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
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
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What one task knows of one agent's buckets, those that count or those of a shadow policy. Not thread-safe. */
final class AgentState {
    private static final Fence[] NOTHING = {Fence.NONE, Fence.NONE};

    /** How long Redis may go unasked: an operator or another program may have filled the bucket. */
    private static final long TRUSTED_NANOS = 1_000_000_000;

    /** What is refused unasked within this time is answered as at one moment. */
    private static final long TOGETHER_MICROS = 20_000;

    private final String agentId;
    private final BucketKind kind;
    private final CallsUnderWay calls = new CallsUnderWay();
    private @Nullable BucketCopy bucket;
    private boolean stored = true;
    private long waitsSinceNanos;
    private boolean superseding;
    /** How often the task had come to a commit when our copy decided last, or Redis disagreed; -1: never. */
    private int aloneIn = -1;

    /** Whether Redis has answered since it is in memory: it lacks nothing that Redis was told before. */
    private boolean complete;

    /** Null where nothing was settled that the last answer of Redis lacks, as for nearly all agents. */
    private @Nullable Unanswered unanswered;
    /** What was refused without asking since Redis answered last, by place of its source; copied when it changes. */
    private Fence[] unasked = NOTHING;

    /** Sources of which Redis has decided a request anew, a bit for each place: what follows is new to it, too. */
    private int pastReplays;

    private long answeredNanos;

    /** @param bucket as it was stored; null: none was, which means full buckets */
    AgentState(String agentId, BucketKind kind, @Nullable BucketCopy bucket) {
        this.agentId = agentId;
        this.kind = kind;
        this.bucket = bucket;
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
     * What was settled since Redis answered last.
     *
     * @param buckets as they were before, and {@code inBuckets} what was done to them by then
     * @param committed what Redis may be told until the task commits
     * @param settledIn how often the task had come to a commit at the last settlement
     * @param atMicros when the last settlement was made
     */
    private record Unanswered(
            AgentBuckets buckets, Adjustments inBuckets, Adjustments committed, int settledIn, long atMicros) {
        Unanswered by(AgentBuckets next, Adjustments inNext) {
            return new Unanswered(next, inNext, committed, settledIn, atMicros);
        }
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
     * Gives tokens back in every limit, never above its capacity; a negative amount is taken. Redis hears of it when it is committed, with the
     * next call, and not of what the buckets had no room for: told later, that would make up for what is charged meanwhile.
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
        var before = held.adjustments();
        var last = unanswered;
        if (last == null) last = new Unanswered(held.buckets(), before, before, commits, nowMicros);
        var committed = last.settledIn() == commits ? last.committed() : before;
        unanswered = new Unanswered(last.buckets(), last.inBuckets(), committed, commits, nowMicros);
        var settled = TokenBucket.settle(held.buckets(), promises, nowSeconds, refundTokens);
        held.hold(settled);
        held.adjusted(before.settled(refundTokens, promises.terms(), nowMicros), untold);
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        if (isDecidedAlone(commits)) { // our copy goes on, and holds what was settled
            unanswered = null;
            held.decidedWithoutRedis(true);
        }
        stored = false;
        return settled;
    }

    /** Takes off the sum what the buckets in Redis have no room for by now, of what was settled and is not committed. */
    private void takeOffWhatHasNoRoom(Promises promises, double nowSeconds, int commits) {
        var held = bucket;
        var last = unanswered;
        if (held == null || last == null || last.settledIn() != commits) return;
        if (!complete && !held.decidedWithoutRedis()) return; // its first answer shows it
        double uncommitted = held.adjustments().settledSince(last.committed());
        double toTell = last.committed().settledSince(last.inBuckets());
        double room = roomTokens(TokenBucket.refill(last.buckets(), promises, nowSeconds), promises);
        double surplus = uncommitted - Math.max(0, room - toTell);
        if (surplus > 0) held.adjusted(held.adjustments().settled(-surplus), held.isUntold());
    }

    /**
     * Returns whether our copy decides, without asking Redis: after it was reset or has decided, or Redis disagreed, until the task has
     * committed. Then it was ours to decide: a task that has lost its partition does not get there, and must not supersede what its
     * successor has decided.
     */
    boolean isDecidedAlone(int commits) {
        return aloneIn == commits;
    }

    /** Returns whether our copy may lack what Redis has charged since it was stored, and nothing that Redis has not seen. */
    boolean mayBeBehind() {
        return !complete && calls.isEmpty() && (bucket == null || !bucket.decidedWithoutRedis());
    }

    /** Returns whether Redis has not been told of a reset, or of a settlement. */
    boolean isUntold() {
        return bucket != null && bucket.isUntold();
    }

    /** Notes that Redis was told. */
    void told(Adjustments adjustments) {
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
                unasked[place].uncommitted(committedOffset),
                copy(promises, place, sources, status(once), commits, nowSeconds),
                bucket == null ? nowSeconds : Math.max(nowSeconds, bucket.lastRefillSeconds()));
    }

    /**
     * Returns what to tell Redis where it {@linkplain #isUntold lacks} a reset or a settlement, as {@link #spend} does. Our copy does not
     * supersede Redis there: no request shows that it is still ours to decide.
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
            Promises promises, int place, TaskSources sources, CopyStatus ofBucket, int commits, double nowSeconds) {
        takeOffWhatHasNoRoom(promises, nowSeconds, commits);
        var held = bucket;
        boolean underWay = !calls.isEmpty();
        if (held == null && !underWay) return null;
        var status = underWay || held == null ? CopyStatus.UNDER_WAY : ofBucket;
        boolean knowsAll = held != null && !underWay;
        var settled = unanswered;
        var adjustments = held == null ? Adjustments.NONE : held.adjustments();
        var told = settled != null && settled.settledIn() == commits ? settled.committed() : adjustments;
        var inCopy = settled == null ? adjustments : settled.inBuckets();
        var buckets = held == null
                ? AgentBuckets.full(promises.terms(), 0)
                : settled == null ? held.buckets() : settled.buckets();
        double beyond = inCopy.settledSince(told);
        if (told.sinceMicros() < inCopy.sinceMicros()) { // nothing is said of these, and so the copy must not hold any
            buckets = TokenBucket.settle(buckets, promises, 0, -beyond);
            beyond = 0;
        }
        return new SpendRequest.Copy(
                buckets,
                status,
                held != null && knowsAll && complete ? held.foreignSeconds() : SpendRequest.Copy.INCOMPLETE,
                sentThrough(place, sources),
                held != null && knowsAll ? held.fence(sources.id(place)) : Fence.NONE,
                others(1 - place, sources, knowsAll, status == CopyStatus.SUPERSEDES),
                told,
                told.settledTokens() + beyond);
    }

    /** Returns the last offset of this source that was decided here, or is on its way to be. */
    private long sentThrough(int place, TaskSources sources) {
        long sent = calls.sentThrough(place);
        return bucket == null ? sent : Math.max(sent, bucket.lastOffset(sources.id(place)));
    }

    /**
     * @param place of the other source
     * @param supersedes whether our decisions replace those of Redis: what it decided beyond all that we ever asked for is somebody else's
     */
    private List<SpendRequest.OfSource> others(int place, TaskSources sources, boolean knowsAll, boolean supersedes) {
        long through = sentThrough(place, sources);
        if (supersedes) through = Math.max(through, calls.everSent(place));
        var held = bucket;
        boolean onlyOurs = held == null || held.hasOnly(sources);
        if (through < 0 && !supersedes && onlyOurs) return List.of(); // nearly always
        var others = new ArrayList<SpendRequest.OfSource>(1);
        long id = sources.id(place);
        others.add(new SpendRequest.OfSource(id, through, held != null && knowsAll ? held.fence(id) : Fence.NONE));
        if (held == null || onlyOurs) return others;
        held.fences().forEach((gone, fence) -> { // of a topic that was made anew: Redis must know them all the same
            if (!sources.holds(gone)) others.add(new SpendRequest.OfSource(gone, fence.lastOffset(), Fence.NONE));
        });
        return others;
    }

    /** Returns whether a request was sent for these buckets, and nothing has been decided on them without Redis since. */
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
     * Returns when to say that a request is refused without asking: now, or when the one before was, if that is a moment ago and nothing
     * else was decided since. So a flood leaves few groups behind.
     *
     * @param lastMicros when the agent's last decision was made
     */
    long refusedUnaskedAt(int place, long nowMicros, long lastMicros) {
        var groups = unasked[place].groups();
        boolean isLast = !groups.isEmpty() && groups.get(0).decidedAtMicros() == lastMicros;
        return isLast && nowMicros - lastMicros < TOGETHER_MICROS ? lastMicros : Math.max(nowMicros, lastMicros);
    }

    /** Notes a request that was refused without asking: the next call tells Redis, whose fence would not know of it. */
    void refusedUnasked(PendingDecision request, Decision refusal, long committedOffset) {
        int place = request.place();
        unasked(
                place,
                unasked[place]
                        .uncommitted(committedOffset)
                        .plusRefused(request.charge().offset(), refusal));
    }

    private void unasked(int place, Fence refused) {
        if (unasked[place] == refused) return;
        unasked = unasked.clone();
        unasked[place] = refused;
    }

    /**
     * Under exactly-once, what Redis decided beyond our copy went nowhere: the answers were given up, or are of a transaction that was
     * aborted. Otherwise the answers of before a crash may have gone out, and must be given again.
     */
    private CopyStatus status(boolean once) {
        boolean alone = bucket != null && bucket.decidedWithoutRedis();
        if (superseding || alone && once) return CopyStatus.SUPERSEDES;
        return alone ? CopyStatus.DECIDED_ALONE : CopyStatus.FOLLOWS;
    }

    /**
     * Makes every answer under way unusable, and our copy the one that Redis must continue from: Redis may have decided requests, in
     * calls that we gave up, whose answers went nowhere.
     */
    void startAnew(Terms terms, double nowSeconds) {
        calls.giveUp();
        superseding = true;
        held(AgentBuckets.full(terms, nowSeconds)).decidedWithoutRedis(true);
    }

    /**
     * Takes over the smaller of our copy and what Redis holds, which knows other decisions than we do.
     *
     * @param once whether decisions that we do not know went nowhere: then our copy goes on, unless another program has written
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
        var ours = TokenBucket.refill(bucket.buckets(), promises, nowSeconds);
        var smaller = new ArrayList<Bucket>(1);
        for (int i = 0; i < ours.buckets().size(); i++) {
            var one = ours.buckets().get(i);
            var other = theirs.buckets().get(i);
            smaller.add(other.tokens() < one.tokens() ? new Bucket(other.tokens(), one.lastRefillSeconds()) : one);
        }
        hold(bucket, new AgentBuckets(promises.terms(), smaller));
    }

    /** Changes our copy to buckets that hold all that was settled. */
    private void hold(BucketCopy held, AgentBuckets next) {
        held.hold(next);
        if (unanswered != null) unanswered = unanswered.by(next, held.adjustments());
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
        long fenceOffset = Math.max(held.lastOffset(source), unasked[place].lastOffset());
        var groups = asked.groups(answer, fenceOffset);
        if (!groups.isEmpty() || unasked[place] != Fence.NONE) {
            var fence = groups.isEmpty() || fenceOffset > spend.committedOffset() ? fence(place, source) : Fence.NONE;
            if (!groups.isEmpty()) fence = fence.uncommitted(spend.committedOffset());
            for (var group : groups) fence = fence.plus(group);
            held.hold(source, fence);
        }
        unasked(place, Fence.NONE);
        if (isNewer(answer.buckets(), told(spend), held)) hold(held, answer, spend);
        held.keepOnly(sources); // from now on these say what Redis must know
        held.decidedWithoutRedis(false);
        held.foreignSeconds(Math.max(held.foreignSeconds(), answer.foreignSeconds()));
    }

    /** Takes over the buckets of an answer, with what was settled since it was asked for. */
    private void hold(BucketCopy held, SpendResult.Decided answer, SpendRequest spend) {
        var answered = answer.buckets();
        double since = settledSince(spend);
        double taken = taken(since, answer, spend);
        if (taken < since) held.adjusted(held.adjustments().settled(taken - since), held.isUntold());
        since = taken;
        if (unanswered == null || since == 0) {
            held.hold(answered);
            unanswered = null;
        } else {
            unanswered = unanswered.by(answered, held.adjustments().settled(-since));
            held.hold(TokenBucket.settle(
                    answered,
                    spend.promises(),
                    held.lastRefillSeconds(),
                    since,
                    held.adjustments().sinceSeconds()));
        }
        if (spend.copy() != null) told(spend.copy().adjustments());
    }

    /** Returns how much of a refund the buckets had room for, before Redis charged what it answers without knowing of it. */
    private double taken(double refundTokens, SpendResult.Decided answer, SpendRequest spend) {
        if (unanswered == null || refundTokens <= 0) return refundTokens;
        double charged = 0;
        for (int i = 0; i < answer.decisions().size(); i++) {
            var decision = answer.decisions().get(i);
            if (decision.isApproved() && decision.decidedAtMicros() > unanswered.atMicros())
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
     * A stray that was polled late may be decided before requests that were polled, and asked for, earlier: then the older answer
     * comes last, and does not know what the newer one charged.
     *
     * @param inAnswered what was done to them
     */
    private boolean isNewer(AgentBuckets answered, Adjustments inAnswered, BucketCopy held) {
        double answeredAt = answered.first().lastRefillSeconds();
        var last = unanswered;
        double heldAt =
                last == null ? held.lastRefillSeconds() : last.buckets().first().lastRefillSeconds();
        if (answeredAt != heldAt) return answeredAt > heldAt;
        double heldTokens = last == null
                ? held.leastTokens()
                : last.buckets().leastTokens() - last.inBuckets().settledSince(inAnswered);
        return answered.leastTokens() < heldTokens;
    }

    /** Returns the buckets to decide on without Redis. */
    AgentBuckets bucketsOrFull(Terms terms, double nowSeconds) {
        return bucket == null ? AgentBuckets.full(terms, nowSeconds) : bucket.buckets();
    }

    /** Returns what to decide by without Redis: the fence, with what was refused without asking since Redis answered last. */
    Fence fence(int place, long id) {
        var fence = bucket == null ? Fence.NONE : bucket.fence(id);
        var refused = unasked[place];
        if (refused.lastOffset() <= fence.lastOffset()) return fence;
        return new Fence(Stream.concat(refused.groups().stream(), fence.groups().stream())
                .toList());
    }

    /**
     * Keeps what was decided without Redis; answers under way do not know of it.
     *
     * @param once whether decisions are committed together with their offsets: then our copy supersedes Redis, as only an owner's may. Where
     *     it may lack what Redis knows, it does not: the smaller of the two goes on, and the sooner the better
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void decidedLocally(TokenBucket.Outcome outcome, int place, long id, boolean once, int commits) {
        calls.giveUp();
        if (once && complete) aloneIn = commits;
        stored = false;
        unasked(place, Fence.NONE);
        var held = held(outcome.buckets());
        hold(held, outcome.buckets());
        held.hold(id, outcome.fence());
        held.decidedWithoutRedis(true);
    }

    /** Returns whether a request of this source may have been decided before a crash: then Redis knows how, and has charged it. */
    boolean mayBeDecidedBefore(int place) {
        return (pastReplays & 1 << place) == 0;
    }

    /**
     * Returns whether Redis would surely refuse this cost now: while only spending happens our copy, refilled to now, is an upper
     * bound of the buckets in Redis. Not where Redis has not been asked for a second, our copy is not what Redis said, or Redis does
     * not know yet what the agent is promised now: a new rate counts from when it does. Nor where the request may have been
     * decided before a crash: Redis knows how, and has charged it. Nor after a settlement that Redis has not answered to: if that is
     * aborted, the refusal would be told again.
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
