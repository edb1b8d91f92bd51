package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What one task knows of one agent's buckets, those that count or those of a shadow policy. Not thread-safe. */
final class AgentMirror {
    /** How long Redis may go unasked: an operator or another program may have filled the bucket. */
    private static final long TRUSTED_NANOS = 1_000_000_000;

    /** What is refused unasked within this time is answered as at one moment. */
    private static final long TOGETHER_MICROS = 20_000;

    private final Agent agent;
    private final Spend.Kept kept;
    private @Nullable MirroredBucket bucket;
    private boolean stored = true;
    private boolean toCommit;
    private long changedNanos;
    private int writtenIn;
    private int epoch;
    private boolean superseding;
    private boolean answered;
    private int refills;
    /** By source: what was refused without asking since Redis answered last. */
    private Map<Long, Fence> unasked = Map.of(); // mostly stays so: an object less for each of a million agents
    /** Sources of which Redis has decided a request anew: what follows is new to it, and not decided before a crash. */
    private Set<Long> pastReplays = Set.of();
    /** Sources of which we decided a request alone before that: Redis may know the next ones, from before a crash. */
    private Set<Long> aloneAmongReplays = Set.of();

    private long answeredNanos;

    /** @param bucket as it was stored; null: none was, which means full buckets */
    AgentMirror(Agent agent, Spend.Kept kept, @Nullable MirroredBucket bucket) {
        this.agent = agent;
        this.kept = kept;
        this.bucket = bucket;
    }

    Agent agent() {
        return agent;
    }

    Spend.Kept kept() {
        return kept;
    }

    /** Returns our copy; null if there is none, which means a full bucket. */
    @Nullable
    MirroredBucket bucket() {
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

    /** Returns the round in which it was last written with its decision, as {@link Mirror} counts them; 0: none. */
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

    /** Fills the buckets. Answers under way know nothing of it; {@code untold}: nor does Redis. */
    void fill(AgentBuckets full, boolean untold) {
        epoch++;
        refills++;
        stored = false;
        answered = false;
        var filled = held(full);
        filled.hold(full);
        filled.decidedWithoutRedis(true);
        filled.refillUntold(untold);
    }

    /** Returns whether somebody has filled the bucket and Redis has not been told: until then the mirror decides. */
    boolean isRefillUntold() {
        return bucket != null && bucket.refillUntold();
    }

    /** Returns a number that is another one after each {@link #fill}. */
    int refills() {
        return refills;
    }

    /** Notes that Redis has filled its bucket as well: from now on the smaller of the two goes on. */
    void refillTold() {
        if (bucket == null) return;
        stored = false;
        bucket.refillUntold(false);
    }

    /** Returns what to ask Redis for these charges. */
    Spend spend(List<PendingDecision> requests, Terms terms, long source, long committedOffset) {
        var charges = charges(requests);
        var copy = bucket == null ? null : new Spend.Copy(bucket.buckets(), bucket.fence(source), standing(bucket));
        var refused = unasked.isEmpty()
                ? Fence.NONE
                : unasked.getOrDefault(source, Fence.NONE).uncommitted(committedOffset);
        return new Spend(agent.id(), kept, terms, charges, source, committedOffset, refused, copy);
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
    long refusedUnaskedAt(long source, long nowMicros) {
        var groups = unasked.getOrDefault(source, Fence.NONE).groups();
        if (!groups.isEmpty()) {
            long before = groups.get(0).decidedAtMicros();
            if (nowMicros - before < TOGETHER_MICROS && agent.lastDecidedMicros() == before) return before;
        }
        return agent.notBeforeLast(nowMicros);
    }

    /** Notes a request that was refused without asking: the next call tells Redis, whose fence would not know of it. */
    void refusedUnasked(PendingDecision request, Decision refusal, long committedOffset) {
        var before = unasked.getOrDefault(request.source(), Fence.NONE).uncommitted(committedOffset);
        if (unasked.isEmpty()) unasked = new HashMap<>(2);
        unasked.put(request.source(), before.plusRefused(request.charge().offset(), refusal));
    }

    private Spend.Standing standing(MirroredBucket known) {
        if (superseding) return Spend.Standing.SUPERSEDES;
        return known.decidedWithoutRedis() ? Spend.Standing.DECIDED_ALONE : Spend.Standing.FOLLOWS;
    }

    /**
     * Returns whether we decided a request of this source alone that may have been decided before a crash. What Redis knows of those
     * after it would stand after our decision with the time of then: it must continue from our copy instead, where that is not
     * published yet.
     */
    boolean isAloneAmongReplays(long source) {
        return aloneAmongReplays.contains(source);
    }

    /**
     * Makes every answer under way unusable, and our copy the one that Redis must continue from: Redis may have decided requests, in
     * calls that we gave up, whose answers went nowhere.
     */
    void startAnew(Terms terms, double nowSeconds) {
        epoch++;
        superseding = true;
        if (bucket == null) bucket = new MirroredBucket(AgentBuckets.full(terms, nowSeconds), true);
    }

    /** Returns our copy; where there is none, one that begins with these buckets. */
    private MirroredBucket held(AgentBuckets first) {
        if (bucket == null) bucket = new MirroredBucket(first, false);
        return bucket;
    }

    /** Takes over what Redis answered, the first time that one of the call's requests is decided. */
    void accept(Asked asked, Answer.Decided answer) {
        answered = true;
        answeredNanos = asked.chunk().awaitedNanos();
        stored = false;
        superseding = false;
        var spend = asked.spend();
        aloneAmongReplays = without(aloneAmongReplays, spend.source());
        if (answer.replays() < answer.decisions().size()) notePastReplays(spend.source());
        var held = held(answer.buckets());
        var groups = groups(spend, answer, fenceOffset(held, spend.source()));
        if (!groups.isEmpty() || !unasked.isEmpty()) {
            held.hold(spend.source(), grown(held, spend, groups));
            if (!unasked.isEmpty()) unasked.remove(spend.source());
        }
        if (isNewer(answer.buckets(), held)) held.hold(answer.buckets());
        held.decidedWithoutRedis(false);
    }

    private long fenceOffset(MirroredBucket held, long source) {
        return unasked.isEmpty() ? held.lastOffset(source) : fence(source).lastOffset();
    }

    /** Returns the fence with these groups, oldest first; where there are any, without what is committed. */
    private Fence grown(MirroredBucket held, Spend spend, List<Fence.Group> groups) {
        boolean allCommitted = unasked.isEmpty() && held.lastOffset(spend.source()) <= spend.committedOffset();
        var fence = allCommitted && !groups.isEmpty() ? Fence.NONE : fence(spend.source());
        if (!groups.isEmpty()) fence = fence.uncommitted(spend.committedOffset());
        for (var group : groups) fence = fence.plus(group);
        return fence;
    }

    private void notePastReplays(long source) {
        pastReplays = with(pastReplays, source);
    }

    private static Set<Long> with(Set<Long> sources, long source) {
        if (sources.contains(source)) return sources;
        if (sources.isEmpty()) return Set.of(source);
        var more = new HashSet<>(sources);
        more.add(source);
        return Set.copyOf(more);
    }

    private static Set<Long> without(Set<Long> sources, long source) {
        if (!sources.contains(source)) return sources;
        var fewer = new HashSet<>(sources);
        fewer.remove(source);
        return Set.copyOf(fewer);
    }

    /**
     * A stray that was polled late may be decided before requests that were polled, and asked for, earlier: then the older answer
     * comes last, and does not know what the newer one charged.
     */
    private static boolean isNewer(AgentBuckets answered, MirroredBucket held) {
        double answeredAt = answered.first().lastRefillSeconds();
        if (answeredAt != held.lastRefillSeconds()) return answeredAt > held.lastRefillSeconds();
        return answered.leastTokens() < held.leastTokens();
    }

    /** Returns what the fence must remember, oldest first: one group for all that was decided at one moment by the same terms. */
    private static List<Fence.Group> groups(Spend spend, Answer.Decided answer, long fenceOffset) {
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
    private static Fence.Group group(int from, int to, Spend spend, Answer.Decided answer) {
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

    private static List<Double> tokensAfter(Decision newest, Spend spend, Answer.Decided answer) {
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
    Fence fence(long source) {
        var fence = bucket == null ? Fence.NONE : bucket.fence(source);
        if (unasked.isEmpty()) return fence;
        var refused = unasked.getOrDefault(source, Fence.NONE);
        if (refused.lastOffset() <= fence.lastOffset()) return fence;
        return new Fence(Stream.concat(refused.groups().stream(), fence.groups().stream())
                .toList());
    }

    /** Keeps what was decided without Redis; answers under way do not know of it. */
    void decidedLocally(TokenBucket.Outcome outcome, long source) {
        epoch++;
        stored = false;
        if (!pastReplays.contains(source)) aloneAmongReplays = with(aloneAmongReplays, source);
        if (!unasked.isEmpty()) unasked.remove(source);
        var held = held(outcome.buckets());
        held.hold(outcome.buckets());
        held.hold(source, outcome.fence());
        held.decidedWithoutRedis(true);
    }

    /**
     * Returns whether Redis would surely refuse this cost now: while only spending happens our copy, refilled to now, is an upper
     * bound of the buckets in Redis. Not where Redis has not been asked for a second, our copy is not what Redis said, or Redis does
     * not know yet what the agent is promised now: a new rate counts from when it does. Nor where the request may have been
     * decided before a crash: Redis knows how, and has charged it.
     */
    boolean surelyRefuses(long source, double costTokens, Terms terms, double nowSeconds, long nowNanos) {
        if (bucket == null || !answered || bucket.decidedWithoutRedis()) return false;
        if (costTokens <= bucket.leastTokens()) return false; // nearly always, and refilling gives more
        if (!pastReplays.contains(source)) return false;
        if (terms.limits().size() > 1) return false; // processed again, it would be refused, but not by the same limit
        if (nowNanos - answeredNanos >= TRUSTED_NANOS) return false;
        var known = bucket.terms();
        return known != null
                && known.equals(terms)
                && costTokens
                        > TokenBucket.refill(bucket.buckets(), terms, nowSeconds)
                                .leastTokens();
    }
}
