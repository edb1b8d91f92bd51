package io.tollgate.quota;

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
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What one task knows of one agent's buckets, those that count or those of a shadow policy. Not thread-safe. */
final class AgentState {
    /** How long Redis may go unasked: an operator or another program may have filled the bucket. */
    private static final long TRUSTED_NANOS = 1_000_000_000;

    /** What is refused unasked within this time is answered as at one moment. */
    private static final long TOGETHER_MICROS = 20_000;

    private final AgentQueue agent;
    private final BucketKind kind;
    private @Nullable BucketCopy bucket;
    private boolean stored = true;
    private boolean toCommit;
    private long changedNanos;
    private int writtenIn;
    private int epoch;
    /** Calls of this epoch whose answers were not taken over yet, in the order of sending; mostly nothing. */
    private RedisCall.@Nullable Part oldestUnderWay;

    /** The last offsets that those asked for, by place of their source; -1: none. */
    private long sentRequests = -1;

    private long sentRekeyed = -1;
    /** The last offsets that any call asked for, those included that were given up. */
    private long everSentRequests = -1;

    private long everSentRekeyed = -1;
    private boolean superseding;
    /** How often the task had come to a commit when Redis disagreed; -1: it never did. */
    private int disagreedIn = -1;

    /** Whether Redis has answered since it is in memory: it lacks nothing that Redis was told before. */
    private boolean complete;

    private boolean answered;
    private int resets;
    /** What was refused without asking since Redis answered last, by place of its source; mostly nothing. */
    private Fence @Nullable [] unasked;
    /** Sources of which Redis has decided a request anew, a bit for each place: what follows is new to it, too. */
    private int pastReplays;

    private long answeredNanos;

    /** @param bucket as it was stored; null: none was, which means full buckets */
    AgentState(AgentQueue agent, BucketKind kind, @Nullable BucketCopy bucket) {
        this.agent = agent;
        this.kind = kind;
        this.bucket = bucket;
    }

    AgentQueue agent() {
        return agent;
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
    }

    /** Returns whether it is written before the task commits. */
    boolean isToCommit() {
        return toCommit;
    }

    void toCommit(boolean writtenThen) {
        toCommit = writtenThen;
    }

    /** Notes when the change was made that the state store will not hold for a while. */
    void changedAt(long nanos) {
        changedNanos = nanos;
    }

    long changedNanos() {
        return changedNanos;
    }

    /** Returns the round in which it was last written with its decision, as {@link AgentCache} counts them; 0: none. */
    int writtenIn() {
        return writtenIn;
    }

    void writtenIn(int round) {
        writtenIn = round;
    }

    /** Returns the number that changes whenever answers under way can no longer be used. */
    int epoch() {
        return epoch;
    }

    /** Gives up the answers under way: they know nothing of what was decided here. */
    private void nextEpoch() {
        epoch++;
        oldestUnderWay = null;
        sentRequests = -1;
        sentRekeyed = -1;
    }

    /** Fills the buckets. Answers under way know nothing of it; {@code untold}: nor does Redis. */
    void reset(AgentBuckets full, boolean untold) {
        nextEpoch();
        resets++;
        stored = false;
        answered = false;
        var filled = held(full);
        filled.hold(full);
        filled.decidedWithoutRedis(true);
        filled.resetPending(untold);
    }

    /** Returns whether somebody has filled the bucket and Redis has not been told: until then the mirror decides. */
    boolean isResetPending() {
        return bucket != null && bucket.resetPending();
    }

    /**
     * Returns whether our copy decides, without asking Redis: while it has not been told that somebody has filled the bucket; and where it
     * disagreed, until the task has committed. Then it was ours to decide: a task that has lost its partition does not get there,
     * and must not supersede what its successor has decided.
     */
    boolean isDecidedAlone(int commits) {
        return isResetPending() || disagreedIn == commits;
    }

    /** Returns a number that is another one after each {@link #reset}. */
    int resets() {
        return resets;
    }

    /** Notes that Redis has filled its bucket as well: from now on the smaller of the two goes on. */
    void resetTold() {
        if (bucket == null) return;
        stored = false;
        bucket.resetPending(false);
    }

    /**
     * Returns what to ask Redis for these charges.
     *
     * @param place of their source
     * @param once whether decisions are committed together with their offsets
     */
    SpendRequest spend(
            List<PendingDecision> requests,
            Promises promises,
            int place,
            TaskSources sources,
            long committedOffset,
            boolean once) {
        var refused = unasked == null ? Fence.NONE : unasked[place].uncommitted(committedOffset);
        return new SpendRequest(
                agent.id(),
                kind,
                promises,
                charges(requests),
                sources.id(place),
                committedOffset,
                once,
                refused,
                copy(promises.terms(), place, sources, once));
    }

    private SpendRequest.@Nullable Copy copy(Terms terms, int place, TaskSources sources, boolean once) {
        if (oldestUnderWay != null) {
            var buckets = bucket == null ? AgentBuckets.full(terms, 0) : bucket.buckets();
            return new SpendRequest.Copy(
                    buckets,
                    CopyStatus.UNDER_WAY,
                    SpendRequest.Copy.INCOMPLETE,
                    sentThrough(place, sources),
                    Fence.NONE,
                    others(place, sources, false));
        }
        var held = bucket;
        if (held == null) return null;
        var status = status(held, once);
        var fence = held.fence(sources.id(place));
        return new SpendRequest.Copy(
                held.buckets(),
                status,
                complete ? held.foreignSeconds() : SpendRequest.Copy.INCOMPLETE,
                fence.lastOffset(),
                fence,
                others(place, sources, status == CopyStatus.SUPERSEDES));
    }

    /** Returns the last offset of this source that was decided here, or is on its way to be. */
    private long sentThrough(int place, TaskSources sources) {
        long sent = place == TaskSources.REQUESTS ? sentRequests : sentRekeyed;
        return bucket == null ? sent : Math.max(sent, bucket.lastOffset(sources.id(place)));
    }

    private List<SpendRequest.OfSource> others(int place, TaskSources sources, boolean all) {
        int other = 1 - place;
        long id = sources.id(other);
        // Where our decisions replace those of Redis, what it decided beyond all that we ever asked for is somebody
        // else's.
        long through = all ? Math.max(sentThrough(other, sources), everSent(other)) : sentThrough(other, sources);
        var held = bucket;
        boolean onlyOurs = held == null || held.hasOnly(sources);
        if (through < 0 && !all && onlyOurs) return List.of(); // nearly always
        var others = new ArrayList<SpendRequest.OfSource>(1);
        boolean knowsAll = oldestUnderWay == null && held != null;
        others.add(new SpendRequest.OfSource(id, through, knowsAll ? held.fence(id) : Fence.NONE));
        if (onlyOurs) return others;
        held.fences().forEach((gone, fence) -> { // of a topic that was made anew: Redis must know them all the same
            if (!sources.holds(gone)) others.add(new SpendRequest.OfSource(gone, fence.lastOffset(), Fence.NONE));
        });
        return others;
    }

    private long everSent(int place) {
        return place == TaskSources.REQUESTS ? everSentRequests : everSentRekeyed;
    }

    /** Notes that a call is on its way. */
    void sent(RedisCall.Part part, long lastOffset) {
        if (oldestUnderWay == null) oldestUnderWay = part;
        else oldestUnderWay.append(part);
        if (part.place() == TaskSources.REQUESTS) {
            sentRequests = Math.max(sentRequests, lastOffset);
            everSentRequests = Math.max(everSentRequests, lastOffset);
        } else {
            sentRekeyed = Math.max(sentRekeyed, lastOffset);
            everSentRekeyed = Math.max(everSentRekeyed, lastOffset);
        }
    }

    /**
     * Returns the calls whose answers are to be taken over before this one's, and this one, in the order of sending: its buckets hold what
     * those charged, so that our copy must remember their requests, too. Empty if its answer was taken over.
     */
    List<RedisCall.Part> answeredThrough(RedisCall.Part asked) {
        if (asked.isAccepted()) return List.of();
        if (asked == oldestUnderWay) return List.of(asked); // nearly always
        var answered = new ArrayList<RedisCall.Part>();
        for (var part = oldestUnderWay; part != null; part = part.next()) {
            if (part == asked || part.isDecided()) answered.add(part);
            if (part == asked) break;
        }
        return answered;
    }

    private static List<Charge> charges(List<PendingDecision> requests) {
        if (requests.size() == 1) return List.of(requests.get(0).charge());
        var charges = new ArrayList<Charge>(requests.size());
        for (var request : requests) charges.add(request.charge());
        return charges;
    }

    /**
     * Returns when to say that a request is refused without asking: now, or when the one before was, if that is a moment ago and nothing
     * else was decided since. So a flood leaves few groups behind.
     */
    long refusedUnaskedAt(int place, long nowMicros) {
        var groups = unasked(place).groups();
        if (!groups.isEmpty()) {
            long before = groups.get(0).decidedAtMicros();
            if (nowMicros - before < TOGETHER_MICROS && agent.lastDecidedMicros() == before) return before;
        }
        return agent.notBeforeLast(nowMicros);
    }

    private Fence unasked(int place) {
        return unasked == null ? Fence.NONE : unasked[place];
    }

    /** Notes a request that was refused without asking: the next call tells Redis, whose fence would not know of it. */
    void refusedUnasked(PendingDecision request, Decision refusal, long committedOffset) {
        if (unasked == null) {
            unasked = new Fence[TaskSources.COUNT];
            Arrays.fill(unasked, Fence.NONE);
        }
        unasked[request.place()] = unasked[request.place()]
                .uncommitted(committedOffset)
                .plusRefused(request.charge().offset(), refusal);
    }

    private void forgetUnasked(int place) {
        if (unasked == null) return;
        unasked[place] = Fence.NONE;
        if (unasked[1 - place].groups().isEmpty()) unasked = null;
    }

    /**
     * Under exactly-once, what Redis decided beyond our copy went nowhere: the answers were given up, or are of a transaction that was
     * aborted. Otherwise the answers of before a crash may have gone out, and must be given again.
     */
    private CopyStatus status(BucketCopy known, boolean once) {
        boolean alone = known.decidedWithoutRedis();
        if (superseding || alone && once) return CopyStatus.SUPERSEDES;
        return alone ? CopyStatus.DECIDED_ALONE : CopyStatus.FOLLOWS;
    }

    /**
     * Makes every answer under way unusable, and our copy the one that Redis must continue from: Redis may have decided requests, in
     * calls that we gave up, whose answers went nowhere.
     */
    void startAnew(Terms terms, double nowSeconds) {
        nextEpoch();
        superseding = true;
        held(AgentBuckets.full(terms, nowSeconds)).decidedWithoutRedis(true);
    }

    /**
     * Takes over the smaller of our copy and what Redis holds, which knows other decisions than we do.
     *
     * @param once whether decisions that we do not know went nowhere: then our copy goes on, unless another program has written
     * @param commits how often the task has come to a commit, {@link AgentCache#commits}
     */
    void disagreed(SpendResult.Disagrees inRedis, Promises promises, double nowSeconds, boolean once, int commits) {
        disagreedIn = commits;
        if (bucket == null) {
            held(inRedis.buckets());
            return;
        }
        if (once && complete && inRedis.foreignSeconds() == bucket.foreignSeconds()) return;
        var theirs = TokenBucket.refill(inRedis.buckets(), promises, nowSeconds);
        var ours = TokenBucket.refill(bucket.buckets(), promises, nowSeconds);
        var smaller = new ArrayList<Bucket>(1);
        for (int i = 0; i < ours.buckets().size(); i++) {
            var one = ours.buckets().get(i);
            var other = theirs.buckets().get(i);
            smaller.add(other.tokens() < one.tokens() ? new Bucket(other.tokens(), one.lastRefillSeconds()) : one);
        }
        bucket.hold(new AgentBuckets(promises.terms(), smaller));
    }

    /** Returns our copy; where there is none, one that begins with these buckets. */
    private BucketCopy held(AgentBuckets first) {
        if (bucket == null) bucket = new BucketCopy(first, false);
        return bucket;
    }

    /** Takes over what Redis answered, once for each call. */
    void accept(RedisCall.Part asked, SpendResult.Decided answer, TaskSources sources) {
        asked.accepted();
        if (oldestUnderWay != null) oldestUnderWay = oldestUnderWay.without(asked);
        answered = true;
        complete = true;
        answeredNanos = asked.call().awaitedNanos();
        stored = false;
        superseding = false;
        var spend = asked.spend();
        int place = asked.place();
        if (answer.replays() < answer.decisions().size()) pastReplays |= 1 << place;
        var held = held(answer.buckets());
        var groups = groups(spend, answer, fence(place, spend.source()).lastOffset());
        if (!groups.isEmpty() || unasked != null) {
            held.hold(spend.source(), grown(held, place, spend, groups));
            forgetUnasked(place);
        }
        if (isNewer(answer.buckets(), held)) held.hold(answer.buckets());
        held.keepOnly(sources); // from now on these say what Redis must know
        held.decidedWithoutRedis(false);
        held.foreignSeconds(Math.max(held.foreignSeconds(), answer.foreignSeconds()));
    }

    /** Returns the fence with these groups, oldest first; where there are any, without what is committed. */
    private Fence grown(BucketCopy held, int place, SpendRequest spend, List<Fence.Group> groups) {
        boolean allCommitted = unasked == null && held.lastOffset(spend.source()) <= spend.committedOffset();
        var fence = allCommitted && !groups.isEmpty() ? Fence.NONE : fence(place, spend.source());
        if (!groups.isEmpty()) fence = fence.uncommitted(spend.committedOffset());
        for (var group : groups) fence = fence.plus(group);
        return fence;
    }

    /**
     * A stray that was polled late may be decided before requests that were polled, and asked for, earlier: then the older answer
     * comes last, and does not know what the newer one charged.
     */
    private static boolean isNewer(AgentBuckets answered, BucketCopy held) {
        double answeredAt = answered.first().lastRefillSeconds();
        if (answeredAt != held.lastRefillSeconds()) return answeredAt > held.lastRefillSeconds();
        return answered.leastTokens() < held.leastTokens();
    }

    /** Returns what the fence must remember, oldest first: one group for all that was decided at one moment by the same terms. */
    private static List<Fence.Group> groups(SpendRequest spend, SpendResult.Decided answer, long fenceOffset) {
        int count = answer.decisions().size();
        int from = 0;
        while (from < count && spend.charges().get(from).offset() <= fenceOffset) from++; // ascending
        if (from == count) return List.of();
        if (from == count - 1) return List.of(group(from, count, spend, answer)); // nearly always
        var groups = new ArrayList<Fence.Group>(1);
        for (int i = from + 1; i < count; i++) {
            if (together(answer.decisions().get(from), answer.decisions().get(i))) continue;
            groups.add(group(from, i, spend, answer));
            from = i;
        }
        groups.add(group(from, count, spend, answer));
        return groups;
    }

    private static boolean together(Decision one, Decision other) {
        return one.decidedAtMicros() == other.decidedAtMicros() && one.terms().equals(other.terms());
    }

    /** @param to exclusive */
    private static Fence.Group group(int from, int to, SpendRequest spend, SpendResult.Decided answer) {
        var decisions = answer.decisions();
        var charges = spend.charges();
        var newest = decisions.get(to - 1);
        var terms = newest.terms();
        boolean all = true;
        for (int i = from; i < to && all; i++) all = decisions.get(i).isApproved();
        var approved = new ArrayList<Long>(0);
        var refusals = new ArrayList<Fence.Refusal>(0);
        for (int i = from; i < to && !all; i++) {
            long offset = charges.get(i).offset();
            if (!(decisions.get(i) instanceof Decision.Refused refused)) approved.add(offset);
            else if (terms.limits().size() > 1) refusals.add(new Fence.Refusal(offset, refused.limit()));
        }
        return new Fence.Group(
                charges.get(from).offset(),
                charges.get(to - 1).offset(),
                newest.decidedAtMicros(),
                terms,
                tokensAfter(newest, spend, answer),
                all,
                approved,
                refusals);
    }

    private static List<Double> tokensAfter(Decision newest, SpendRequest spend, SpendResult.Decided answer) {
        var terms = newest.terms();
        if (terms.limits().size() == 1) return List.of(newest.remainingTokens());
        // What was decided before a crash, by terms of then: Redis has said no more than what was left.
        return terms.equals(spend.terms())
                ? answer.buckets().buckets().stream().map(Bucket::tokens).toList()
                : Collections.nCopies(terms.limits().size(), newest.remainingTokens());
    }

    /** Returns the buckets to decide on without Redis. */
    AgentBuckets bucketsOrFull(Terms terms, double nowSeconds) {
        return bucket == null ? AgentBuckets.full(terms, nowSeconds) : bucket.buckets();
    }

    /** Returns what to decide by without Redis: the fence, with what was refused without asking since Redis answered last. */
    Fence fence(int place, long id) {
        var fence = bucket == null ? Fence.NONE : bucket.fence(id);
        var refused = unasked(place);
        if (refused.lastOffset() <= fence.lastOffset()) return fence;
        return new Fence(Stream.concat(refused.groups().stream(), fence.groups().stream())
                .toList());
    }

    /** Keeps what was decided without Redis; answers under way do not know of it. */
    void decidedLocally(TokenBucket.Outcome outcome, int place, long id) {
        nextEpoch();
        stored = false;
        forgetUnasked(place);
        var held = held(outcome.buckets());
        held.hold(outcome.buckets());
        held.hold(id, outcome.fence());
        held.decidedWithoutRedis(true);
    }

    /**
     * Returns whether Redis would surely refuse this cost now: while only spending happens our copy, refilled to now, is an upper
     * bound of the buckets in Redis. Not where Redis has not been asked for a second, our copy is not what Redis said, or Redis does
     * not know yet what the agent is promised now: a new rate counts from when it does. Nor where the request may have been
     * decided before a crash: Redis knows how, and has charged it.
     */
    boolean surelyRefuses(int place, double costTokens, Promises promises, double nowSeconds, long nowNanos) {
        var terms = promises.terms();
        if (bucket == null || !answered || bucket.decidedWithoutRedis()) return false;
        if (costTokens <= bucket.leastTokens()) return false; // nearly always, and refilling gives more
        if ((pastReplays & 1 << place) == 0) return false;
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
