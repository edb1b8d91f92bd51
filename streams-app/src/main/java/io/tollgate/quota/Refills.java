package io.tollgate.quota;

import io.tollgate.bucket.Promises;
import io.tollgate.redis.Spend;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;

/**
 * Buckets that somebody has filled, until Redis has been told. For one stream thread alone.
 *
 * <p>The rule: a filled bucket is decided on by the mirror alone until Redis has filled its own. Only then may "the smaller of the
 * two" be said again: before, Redis' copy from before the filling would win. Nothing of the agent is on its way to Redis
 * meanwhile, so that a filling can never overtake a charge.
 *
 * <p>Redis is told only once the filling is committed, and with it the event that puts it on record: what is undone must have given
 * nothing away.
 */
final class Refills {
    private record Filled(String agentId, Spend.Kept kept) {}

    private final Mirror mirror;
    private final Questions questions;
    /** By buckets: whether a call is under way. */
    private final Map<Filled, Boolean> untold = new LinkedHashMap<>();

    /** Buckets filled since the last commit began, and what to do when that is committed. */
    private final Map<Filled, List<Runnable>> uncommitted = new LinkedHashMap<>();
    /** As they were when the commit began that is under way, or was the last. */
    private final Map<Filled, List<Runnable>> committing = new LinkedHashMap<>();

    Refills(Mirror mirror, Questions questions) {
        this.mirror = mirror;
        this.questions = questions;
    }

    /** Has something done once it is committed that these buckets were filled. */
    void afterCommit(AgentMirror filled, Runnable then) {
        uncommitted.computeIfAbsent(key(filled), buckets -> new ArrayList<>()).add(then);
    }

    /** Notes that what was filled until now is committed next. */
    void beforeCommit() {
        uncommitted.forEach((filled, then) ->
                committing.computeIfAbsent(filled, buckets -> new ArrayList<>()).addAll(then));
        uncommitted.clear();
    }

    /** Goes on with what was filled before the last commit began, which has succeeded. */
    void committed() {
        if (committing.isEmpty()) return;
        var done = committing.values().stream().flatMap(List::stream).toList();
        committing.clear();
        done.forEach(Runnable::run);
    }

    private boolean isCommitted(Filled filled) {
        return !uncommitted.containsKey(filled) && !committing.containsKey(filled);
    }

    private static Filled key(AgentMirror filled) {
        return new Filled(filled.agent().id(), filled.kept());
    }

    /** Notes buckets that Redis must be told of. */
    void note(AgentMirror filled) {
        untold.putIfAbsent(key(filled), false);
    }

    boolean isEmpty() {
        return untold.isEmpty() && uncommitted.isEmpty() && committing.isEmpty();
    }

    /** Tells Redis of all buckets that it has not been told of. */
    void tell(SharedBuckets redis, Function<String, Promises> promises) {
        if (untold.isEmpty()) return;
        for (var filled : List.copyOf(untold.keySet())) {
            boolean inUse = redis.inUse(filled.agentId(), filled.kept());
            if (inUse && isCommitted(filled) && !untold.get(filled))
                tell(redis, filled, promises.apply(filled.agentId()), () -> {});
        }
    }

    /** Tells Redis of one agent's buckets; {@code then} runs on the stream thread, once Redis has answered or failed to. */
    void tell(SharedBuckets redis, AgentMirror filled, Promises promises, Runnable then) {
        tell(redis, key(filled), promises, then);
    }

    private void tell(SharedBuckets redis, Filled filled, Promises promises, Runnable then) {
        int refill = mirrorOf(filled).refills();
        untold.put(filled, true);
        redis.fill(filled.agentId(), filled.kept(), promises).whenComplete((done, failure) -> {
            try {
                questions.tell(() -> {
                    var buckets = mirrorOf(filled);
                    if (failure == null && buckets.refills() == refill) told(filled, buckets);
                    else untold.replace(filled, false); // again in the next round
                    then.run();
                });
            } catch (RejectedExecutionException tooMany) {
                // Stays marked as under way, and the agent on its mirror; a restart tells Redis.
            }
        });
    }

    private AgentMirror mirrorOf(Filled filled) {
        return mirror.of(mirror.agent(filled.agentId()), filled.kept());
    }

    private void told(Filled filled, AgentMirror buckets) {
        untold.remove(filled);
        buckets.refillTold();
        mirror.storeWithCommit(buckets);
    }
}
