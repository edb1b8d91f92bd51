package io.tollgate.quota;

import io.tollgate.bucket.Promises;
import io.tollgate.redis.BucketKind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

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

    private static final class Reset {
        /** How often the task had come to a commit when it was last filled; -1: before the task began. */
        private int filledIn = -1;

        private boolean isBeingTold;
        private List<Runnable> then = new ArrayList<>();
    }

    private final AgentCache cache;
    private final TaskMailbox mailbox;
    private final Map<Filled, Reset> resets = new LinkedHashMap<>();

    PendingResets(AgentCache cache, TaskMailbox mailbox) {
        this.cache = cache;
        this.mailbox = mailbox;
    }

    /** Notes buckets that were filled before, and that Redis must be told of. */
    void note(AgentState filled) {
        reset(filled);
    }

    /** Notes buckets that are filled now; {@code then} runs once that is committed, and Redis has been told or is not in use. */
    void filled(AgentState filled, Runnable then) {
        var reset = reset(filled);
        reset.filledIn = cache.commits();
        reset.then.add(then);
    }

    private Reset reset(AgentState filled) {
        return resets.computeIfAbsent(new Filled(filled.agentId(), filled.kind()), buckets -> new Reset());
    }

    boolean isEmpty() {
        return resets.isEmpty();
    }

    /**
     * Tells Redis, where it is in use, of all that is committed.
     *
     * @param redis null: there is none
     */
    void tell(@Nullable RedisGateway redis, Function<String, Promises> promises) {
        for (var filled : List.copyOf(resets.keySet())) {
            var reset = resets.get(filled);
            // No commit is under way here: the last has succeeded, or this task would be no more.
            if (reset == null || reset.isBeingTold || reset.filledIn == cache.commits()) continue;
            var then = reset.then;
            reset.then = new ArrayList<>();
            var buckets = stateOf(filled);
            if (redis != null && redis.inUse(buckets)) {
                reset.isBeingTold = true;
                tell(redis, filled, reset, promises.apply(filled.agentId()), then);
                continue;
            }
            if (!buckets.isResetPending()) resets.remove(filled);
            then.forEach(Runnable::run);
        }
    }

    private void tell(RedisGateway redis, Filled filled, Reset reset, Promises promises, List<Runnable> then) {
        int number = stateOf(filled).resets();
        redis.reset(filled.agentId(), filled.kind(), promises).whenComplete((done, failure) -> {
            try {
                mailbox.tell(() -> {
                    var buckets = stateOf(filled);
                    reset.isBeingTold = false; // where it failed, or was filled again, again in the next round
                    if (failure == null && buckets.resets() == number) told(filled, buckets);
                    then.forEach(Runnable::run);
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
        resets.remove(filled);
        buckets.resetTold();
        cache.storeWithCommit(buckets);
    }
}
