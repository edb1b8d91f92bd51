package io.tollgate.quota;

import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Buckets with resets or settlements that Redis has not been told of. For one stream thread alone.
 *
 * <p>The rule: each call of the agent tells Redis, again and again. If the agent has not asked for a second, a call
 * without requests tells it, so that other programs see the tokens left.
 *
 * <p>Redis is told only after the commit, which also publishes the record of it: an undone change must not have given
 * anything away.
 */
final class UntoldBuckets {
    /** For more buckets than this, only the next call of their agents tells Redis. */
    private static final int MOST = 10_000;

    /** An agent that was answered within this time will probably ask soon, and a separate call would be wasted. */
    private static final long ASKS_AGAIN_NANOS = 1_000_000_000;

    private static final long LOOK_AGAIN_NANOS = 250_000_000;

    private record Buckets(String agentId, BucketKind kind) {}

    private static final class Change {
        /** How often the task had come to a commit when the buckets were reset last, or settled first. */
        private int changedIn;

        private List<Runnable> then = List.of();

        /** When to look at it next, by {@link TaskTime#nanoTime}. */
        private long dueNanos;
    }

    private record Tell(RedisCall call, List<SpendRequest> spends) {}

    private final QuotaContext shared;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final Map<Buckets, Change> changes = new LinkedHashMap<>();
    private final List<Tell> underWay = new ArrayList<>();

    UntoldBuckets(QuotaContext shared, AgentCache cache, TaskOffsets offsets) {
        this.shared = shared;
        this.cache = cache;
        this.offsets = offsets;
    }

    /** Notes buckets that are settled now. */
    void settled(AgentState buckets) {
        if (shared.redis().isPresent() && changes.size() < MOST) note(buckets);
    }

    /**
     * Notes buckets that are reset now; {@code then} runs after the commit, once Redis has been told or is not in use.
     */
    void reset(AgentState buckets, Runnable then) {
        var change = note(buckets);
        change.changedIn = cache.commits();
        change.dueNanos = shared.time().nanoTime();
        var all = new ArrayList<>(change.then);
        all.add(then);
        change.then = all;
    }

    private Change note(AgentState buckets) {
        return changes.computeIfAbsent(new Buckets(buckets.agentId(), buckets.kind()), each -> {
            var change = new Change();
            change.changedIn = cache.commits();
            change.dueNanos = shared.time().nanoTime();
            return change;
        });
    }

    boolean isEmpty() {
        return changes.isEmpty();
    }

    /** Tells Redis, if it is in use, of all committed changes. */
    void tell() {
        for (var tell : underWay) if (!tell.call().isDone()) return;
        for (var tell : underWay) takeOver(tell);
        underWay.clear();
        var untold = new ArrayList<AgentState>();
        var told = new ArrayList<Buckets>();
        var untellable = new ArrayList<Buckets>();
        long nowNanos = shared.time().nanoTime();
        for (var entry : changes.entrySet()) {
            var each = entry.getKey();
            var change = entry.getValue();
            // No commit is under way here: the last one has succeeded, else this task would not exist any more.
            if (change.changedIn == cache.commits() || nowNanos - change.dueNanos < 0) continue;
            if (shared.redis()
                    .filter(redis -> !redis.inUse(each.agentId(), each.kind()))
                    .isPresent()) {
                untellable.add(each);
                continue;
            }
            if (untold.size() == shared.callLimits().agents()) break;
            var buckets = cache.of(cache.agent(each.agentId()), each.kind());
            if (!buckets.held().isUntold()) told.add(each);
            else if (change.then.isEmpty() && buckets.isAnsweredAfter(nowNanos - ASKS_AGAIN_NANOS))
                change.dueNanos = nowNanos + LOOK_AGAIN_NANOS;
            else if (buckets.calls().isEmpty() && !buckets.mayBeUndone(cache.commits()))
                untold.add(buckets); // else what is under way tells it, or what comes after the commit
        }
        untellable.forEach(this::run);
        told.forEach(this::done);
        if (untold.isEmpty()) return;
        var redis = shared.redis().orElseThrow();
        for (var ofOneNode : redis.byNode(untold, buckets -> buckets)) {
            var spends = ofOneNode.stream().map(this::spend).toList();
            underWay.add(new Tell(redis.send(spends), spends));
        }
    }

    private SpendRequest spend(AgentState buckets) {
        return buckets.tell(
                shared.policies().of(buckets.agentId()).promises(),
                offsets.sources(),
                offsets.committed(TaskSources.REQUESTS),
                shared.exactlyOnce(),
                cache.commits(),
                TokenBucket.seconds(shared.nowMicros(buckets)));
    }

    private void takeOver(Tell tell) {
        for (int i = 0; i < tell.spends().size(); i++) {
            var spend = tell.spends().get(i);
            var answer = tell.call().await(i);
            if (answer.isEmpty()) continue; // again in the next round
            var each = new Buckets(spend.agentId(), spend.kind());
            var buckets = cache.of(cache.agent(each.agentId()), each.kind());
            if (answer.get() instanceof SpendResult.Decided && spend.copy() != null) {
                buckets.held().told(spend.copy().adjustments());
                cache.storeWithCommit(buckets);
            }
            // If Redis disagrees, or refuses the key, the agent's next call tells it.
            if (!(answer.get() instanceof SpendResult.Decided)
                    || !buckets.held().isUntold()) done(each);
        }
    }

    private void run(Buckets each) {
        var change = changes.get(each);
        if (change == null) return;
        var then = change.then;
        change.then = List.of();
        then.forEach(Runnable::run);
    }

    private void done(Buckets each) {
        run(each);
        changes.remove(each);
    }
}
