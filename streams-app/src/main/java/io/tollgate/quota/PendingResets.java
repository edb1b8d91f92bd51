package io.tollgate.quota;

import io.tollgate.bucket.Promises;
import io.tollgate.redis.BucketKind;
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
final class PendingResets {
    private record Filled(String agentId, BucketKind kind) {}

    private final AgentCache cache;
    private final TaskMailbox mailbox;
    /** By buckets: whether a call is under way. */
    private final Map<Filled, Boolean> untold = new LinkedHashMap<>();

    /** Buckets filled since the last commit began, and what to do when that is committed. */
    private final Map<Filled, List<Runnable>> uncommitted = new LinkedHashMap<>();
    /** As they were when the commit began that is under way, or was the last. */
    private final Map<Filled, List<Runnable>> committing = new LinkedHashMap<>();

    PendingResets(AgentCache cache, TaskMailbox mailbox) {
        this.cache = cache;
        this.mailbox = mailbox;
    }

    /** Has something done once it is committed that these buckets were filled. */
    void afterCommit(AgentState filled, Runnable then) {
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

    private static Filled key(AgentState filled) {
        return new Filled(filled.agentId(), filled.kind());
    }

    /** Notes buckets that Redis must be told of. */
    void note(AgentState filled) {
        untold.putIfAbsent(key(filled), false);
    }

    boolean isEmpty() {
        return untold.isEmpty() && uncommitted.isEmpty() && committing.isEmpty();
    }

    /** Tells Redis of all buckets that it has not been told of. */
    void tell(RedisGateway redis, Function<String, Promises> promises) {
        if (untold.isEmpty()) return;
        for (var filled : List.copyOf(untold.keySet())) {
            boolean inUse = redis.inUse(filled.agentId(), filled.kind());
            if (inUse && isCommitted(filled) && !untold.get(filled))
                tell(redis, filled, promises.apply(filled.agentId()), () -> {});
        }
    }

    /** Tells Redis of one agent's buckets; {@code then} runs on the stream thread, once Redis has answered or failed to. */
    void tell(RedisGateway redis, AgentState filled, Promises promises, Runnable then) {
        tell(redis, key(filled), promises, then);
    }

    private void tell(RedisGateway redis, Filled filled, Promises promises, Runnable then) {
        int reset = stateOf(filled).resets();
        untold.put(filled, true);
        redis.reset(filled.agentId(), filled.kind(), promises).whenComplete((done, failure) -> {
            try {
                mailbox.tell(() -> {
                    var buckets = stateOf(filled);
                    if (failure == null && buckets.resets() == reset) told(filled, buckets);
                    else untold.replace(filled, false); // again in the next round
                    then.run();
                });
            } catch (RejectedExecutionException tooMany) {
                // Stays marked as under way, and the agent on its mirror; a restart tells Redis.
            }
        });
    }

    private AgentState stateOf(Filled filled) {
        return cache.of(cache.agent(filled.agentId()), filled.kind());
    }

    private void told(Filled filled, AgentState buckets) {
        untold.remove(filled);
        buckets.resetTold();
        cache.storeWithCommit(buckets);
    }
}
