package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Policy;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.redis.BucketKind;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Answers other threads' questions about one task's agents: shows an agent, or resets its buckets. Works on the task's
 * stream thread.
 */
final class AgentQueries {
    private static final int MOST_HOLDS = 1_000;

    private final TaskMailbox mailbox = new TaskMailbox();
    private final QuotaContext shared;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final TaskActivity activity;
    private final OpenHolds holds;
    private final UntoldBuckets untold;
    private final Consumer<BucketReset> listener;

    AgentQueries(
            QuotaContext shared,
            AgentCache cache,
            TaskOffsets offsets,
            TaskActivity activity,
            OpenHolds holds,
            UntoldBuckets untold,
            Consumer<BucketReset> listener) {
        this.shared = shared;
        this.cache = cache;
        this.offsets = offsets;
        this.activity = activity;
        this.holds = holds;
        this.listener = listener;
        this.untold = untold;
    }

    /** Returns the mailbox for other threads; {@link #answer} empties it. */
    TaskMailbox mailbox() {
        return mailbox;
    }

    /** Answers other threads' questions, and tells Redis of resets and settlements. */
    void answer() {
        mailbox.answer();
        untold.tell();
    }

    /** Returns whether there is nothing to answer or to tell. */
    boolean isIdle() {
        return mailbox.isEmpty() && untold.isEmpty();
    }

    /**
     * Shows an agent: the buckets in Redis, as they will continue with our copy, or the mirror while Redis is not
     * in use.
     */
    void look(String agentId, CompletableFuture<AgentView> answer) {
        var agent = cache.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = cache.of(agent, policy.kind());
        var mirrored = viewOfMirror(agent, buckets, policy);
        var redis = shared.redis().filter(each -> each.inUse(buckets));
        if (redis.isEmpty() || buckets.isDecidedAlone(cache.commits())) {
            answer.complete(mirrored);
            return;
        }
        int place = TaskSources.REQUESTS;
        redis.get()
                .look(buckets.spend(
                        List.of(),
                        policy.promises(),
                        place,
                        offsets.sources(),
                        offsets.committed(place),
                        shared.exactlyOnce(),
                        cache.commits(),
                        TokenBucket.seconds(shared.nowMicros(buckets))))
                .whenComplete((held, failure) -> answer.complete(failure != null ? mirrored : mirrored.inRedis(held)));
    }

    private AgentView viewOfMirror(AgentQueue agent, AgentState buckets, Policy policy) {
        long nowMicros = shared.nowMicros(buckets);
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = TokenBucket.refill(
                buckets.held().bucketsOrFull(policy.terms(), nowSeconds), policy.promises(), nowSeconds);
        var recent = activity.recent(agent);
        return new AgentView(
                policy,
                held,
                DecidedBy.LOCAL,
                nowMicros,
                isKnown(agent),
                holds.open(agent.id()),
                holds.of(agent.id(), MOST_HOLDS),
                recent);
    }

    private boolean isKnown(AgentQueue agent) {
        if (agent.lastDecidedMicros() > 0 || agent.isAwaited() || holds.open(agent.id()) > 0) return true;
        for (var kind : BucketKind.values()) {
            if (cache.of(agent, kind).held().copy() != null) return true;
        }
        return false;
    }

    /**
     * Resets an agent's buckets: in the mirror at once, and in Redis after the commit, as soon as Redis answers. The
     * caller gets its answer after the commit, so an undone reset was never reported.
     *
     * @param by the author
     */
    void reset(String agentId, String by, CompletableFuture<AgentView> answer) {
        var agent = cache.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = cache.of(agent, policy.kind());
        // A moment of its own, so that every reader can tell earlier decisions from later ones.
        long nowMicros = agent.notBeforeLast(Math.max(shared.nowMicros(buckets), agent.lastDecidedMicros() + 1));
        buckets.reset(
                AgentBuckets.full(policy.terms(), TokenBucket.seconds(nowMicros)),
                nowMicros,
                shared.redis().isPresent(),
                cache.commits());
        cache.storeWithCommit(buckets);
        untold.reset(buckets, () -> look(agentId, answer));
        listener.accept(new BucketReset(agentId, policy, nowMicros, by));
    }
}
