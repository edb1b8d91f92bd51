package io.tollgate.quota;

import io.tollgate.bucket.Limit;
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
 */
final class Refills {
    private final Mirror mirror;
    private final Questions questions;
    /** By agent: whether a call is under way. */
    private final Map<String, Boolean> untold = new LinkedHashMap<>();

    Refills(Mirror mirror, Questions questions) {
        this.mirror = mirror;
        this.questions = questions;
    }

    /** Notes an agent that Redis must be told of. */
    void note(String agentId) {
        untold.putIfAbsent(agentId, false);
    }

    /** Tells Redis of every agent that it has not been told of. */
    void tell(SharedBuckets redis, Function<String, Limit> limits) {
        if (untold.isEmpty()) return;
        for (var agentId : List.copyOf(untold.keySet())) {
            if (!untold.get(agentId)) tell(redis, agentId, limits.apply(agentId), () -> {});
        }
    }

    /** Tells Redis of one agent; {@code then} runs on the stream thread, once Redis has answered or failed to. */
    void tell(SharedBuckets redis, String agentId, Limit limit, Runnable then) {
        int refill = mirror.of(agentId).refills();
        untold.put(agentId, true);
        redis.fill(agentId, limit).whenComplete((filled, failure) -> {
            try {
                questions.tell(() -> {
                    var agent = mirror.of(agentId);
                    if (failure == null && agent.refills() == refill) told(agent);
                    else untold.replace(agentId, false); // again in the next round
                    then.run();
                });
            } catch (RejectedExecutionException tooMany) {
                // Stays marked as under way, and the agent on its mirror; a restart tells Redis.
            }
        });
    }

    private void told(AgentMirror agent) {
        untold.remove(agent.agentId());
        agent.refillTold();
        mirror.store(agent);
    }
}
