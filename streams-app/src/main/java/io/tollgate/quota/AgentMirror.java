package io.tollgate.quota;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one task knows of one agent: our copy of its bucket, and its requests that are polled but not yet decided. Not thread-safe.
 */
final class AgentMirror {
    /** How long Redis may go unasked: an operator or another program may have filled the bucket. */
    private static final long TRUSTED_NANOS = 1_000_000_000;

    private final String agentId;
    private final Deque<PendingDecision> pending = new ArrayDeque<>(4);
    private @Nullable MirroredBucket bucket;
    private boolean stored = true;
    private int epoch;
    private boolean superseding;
    private boolean answered;
    private long answeredNanos;
    private long lastDecidedMicros;

    /** @param bucket as it was stored; null: none was, which means a full one */
    AgentMirror(String agentId, @Nullable MirroredBucket bucket) {
        this.agentId = agentId;
        this.bucket = bucket;
    }

    String agentId() {
        return agentId;
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

    /** Returns the number that changes whenever answers under way can no longer be used. */
    int epoch() {
        return epoch;
    }

    /** Returns the requests polled but not yet decided, in their order. */
    Deque<PendingDecision> pending() {
        return pending;
    }

    /** Returns whether everything pending is on its way to Redis, so that what is sent now arrives after it. */
    boolean isAllSent() {
        // Not only the last: what waits may come from two sources, and is sent for one of them at a time.
        return pending.stream().allMatch(request -> request.isSentIn(epoch));
    }

    /** Returns what to ask Redis for these charges. */
    Spend spend(List<PendingDecision> requests, Limit limit, long source, long committedOffset) {
        var charges = requests.stream().map(PendingDecision::charge).toList();
        var copy = bucket == null ? null : new Spend.Copy(bucket.bucket(), bucket.fence(source), standing(bucket));
        return new Spend(agentId, limit, charges, source, committedOffset, copy);
    }

    private Spend.Standing standing(MirroredBucket known) {
        if (superseding) return Spend.Standing.SUPERSEDES;
        return known.decidedWithoutRedis() ? Spend.Standing.DECIDED_ALONE : Spend.Standing.FOLLOWS;
    }

    /**
     * Makes every answer under way unusable, and our copy the one that Redis must continue from: Redis may have decided requests, in
     * calls that we gave up, whose answers went nowhere.
     */
    void startAnew(Limit limit, double nowSeconds) {
        epoch++;
        superseding = true;
        if (bucket == null) bucket = new MirroredBucket(Bucket.full(limit, nowSeconds), Map.of(), true);
    }

    /** Takes over what Redis answered, the first time that one of the call's requests is decided. */
    void accept(Asked asked, Answer.Decided answer) {
        answered = true;
        answeredNanos = System.nanoTime();
        stored = false;
        superseding = false;
        var spend = asked.spend();
        var before = bucket != null ? bucket : new MirroredBucket(answer.bucket(), Map.of(), false);
        var fence = before.fence(spend.source());
        var group = group(spend, answer.decisions(), fence.lastOffset());
        if (group != null) fence = fence.uncommitted(spend.committedOffset()).plus(group);
        bucket = before.after(newer(before.bucket(), answer.bucket()), spend.source(), fence, false);
    }

    /**
     * A stray that was polled late may be decided before requests that were polled, and asked for, earlier: then the older answer
     * comes last, and does not know what the newer one charged.
     */
    private static Bucket newer(Bucket known, Bucket answered) {
        if (answered.lastRefillSeconds() != known.lastRefillSeconds()) {
            return answered.lastRefillSeconds() > known.lastRefillSeconds() ? answered : known;
        }
        return answered.tokens() < known.tokens() ? answered : known;
    }

    private static Fence.@Nullable Group group(Spend spend, List<Decision> decisions, long fenceOffset) {
        var approved = new ArrayList<Long>();
        int fresh = 0;
        long first = -1;
        long last = fenceOffset;
        Decision newest = null;
        for (int i = 0; i < decisions.size(); i++) {
            long offset = spend.charges().get(i).offset();
            if (offset <= fenceOffset) continue;
            if (fresh++ == 0) first = offset;
            last = offset;
            newest = decisions.get(i);
            if (newest.isApproved()) approved.add(offset);
        }
        if (newest == null) return null;
        boolean all = approved.size() == fresh;
        return new Fence.Group(
                first, last, newest.decidedAtMicros(), newest.remainingTokens(), all, all ? List.of() : approved);
    }

    /**
     * Returns the time at which to decide now, and notes it: our reading of the bucket's clock is a little behind Redis, by more
     * or less, but an agent's decisions never go back in time.
     */
    long notBeforeLast(long nowMicros) {
        lastDecidedMicros = Math.max(lastDecidedMicros, nowMicros);
        return lastDecidedMicros;
    }

    /** Returns the bucket to decide on without Redis. */
    Bucket bucketOrFull(Limit limit, double nowSeconds) {
        return bucket == null ? Bucket.full(limit, nowSeconds) : bucket.bucket();
    }

    Fence fence(long source) {
        return bucket == null ? Fence.NONE : bucket.fence(source);
    }

    /** Keeps what was decided without Redis; answers under way do not know of it. */
    void decidedLocally(TokenBucket.Outcome outcome, long source) {
        epoch++;
        stored = false;
        var before = bucket != null ? bucket : new MirroredBucket(outcome.bucket(), Map.of(), true);
        bucket = before.after(outcome.bucket(), source, outcome.fence(), true);
    }

    /**
     * Returns whether Redis would surely refuse this cost now: while only spending happens our copy, refilled to now, is an upper
     * bound of the bucket in Redis. Not where Redis has not been asked for a second, or our copy is not what Redis said.
     */
    boolean surelyRefuses(double costTokens, Limit limit, double nowSeconds) {
        return bucket != null
                && answered
                && !bucket.decidedWithoutRedis()
                && System.nanoTime() - answeredNanos < TRUSTED_NANOS
                && costTokens
                        > TokenBucket.refill(bucket.bucket(), limit, nowSeconds).tokens();
    }
}
