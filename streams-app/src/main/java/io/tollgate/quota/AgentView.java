package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.Hold;
import io.tollgate.policy.Policy;
import java.util.List;

/**
 * An agent as shown to users. Immutable.
 *
 * @param buckets one for each of the policy's limits, refilled to {@code nowMicros}
 * @param readFrom the copy of the bucket that was read
 * @param nowMicros microseconds since the epoch on the bucket's clock
 * @param known whether the agent was ever seen, as far as anybody remembers: an idle agent with a full bucket
 *     is forgotten
 * @param openHolds the number of its open holds
 * @param holds the open holds that end first
 * @param recent its last decisions, newest first, as far as they are remembered
 */
public record AgentView(
        Policy policy,
        AgentBuckets buckets,
        DecidedBy readFrom,
        long nowMicros,
        boolean known,
        int openHolds,
        List<Hold> holds,
        List<RecentDecision> recent) {
    /** Returns the same agent with the buckets that Redis holds. */
    AgentView inRedis(AgentBuckets held) {
        long heldMicros = TokenBucket.micros(held.first().lastRefillSeconds());
        return new AgentView(
                policy, held, DecidedBy.REDIS, heldMicros, known || !isFull(held), openHolds, holds, recent);
    }

    private boolean isFull(AgentBuckets held) {
        var limits = policy.limits();
        for (int i = 0; i < limits.size(); i++) {
            if (held.buckets().get(i).tokens() < limits.get(i).limit().capacityTokens()) return false;
        }
        return true;
    }
}
