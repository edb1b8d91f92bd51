package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.policy.Policy;
import io.tollgate.redis.Spend;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/** What other threads ask of one task's agents: to show one, or to fill its buckets. Answered on the task's stream thread. */
final class AgentQueries {
    private final Questions questions = new Questions();
    private final Shared shared;
    private final Mirror mirror;
    private final TaskOffsets offsets;
    private final TaskActivity activity;
    private final Refills refills;
    private Consumer<BucketReset> resets = reset -> {};

    AgentQueries(Shared shared, Mirror mirror, TaskOffsets offsets, TaskActivity activity) {
        this.shared = shared;
        this.mirror = mirror;
        this.offsets = offsets;
        this.activity = activity;
        this.refills = new Refills(mirror, questions);
    }

    /** Returns where other threads ask; answered by {@link #answer}. */
    Questions questions() {
        return questions;
    }

    /** Says who is told of each bucket that is filled, at once and on the stream thread: what it writes is committed with the filling. */
    void tellResets(Consumer<BucketReset> told) {
        resets = told;
    }

    /** Notes that what was filled until now is committed next. */
    void beforeCommit() {
        refills.beforeCommit();
    }

    /** Answers other threads' questions, and tells Redis of buckets that were filled while it was away. */
    void answer() {
        // No commit is under way here: the last has succeeded, or this task would be no more.
        refills.committed();
        questions.answer();
        shared.redis()
                .ifPresent(redis -> refills.tell(
                        redis, agentId -> shared.policies().of(agentId).promises()));
    }

    /** Returns whether there is nothing to answer, and nothing to tell. */
    boolean isIdle() {
        return questions.isEmpty() && refills.isEmpty();
    }

    /** Notes buckets that Redis must be told of. */
    void noteUntold(AgentMirror filled) {
        refills.note(filled);
    }

    /** Shows an agent: what Redis holds, as it will continue with our copy; the mirror while Redis is not in use. */
    void look(String agentId, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = mirror.of(agent, SendQueue.kept(policy));
        var mirrored = viewOfMirror(buckets, policy);
        var redis = redisFor(buckets);
        if (redis.isEmpty() || buckets.isRefillUntold()) {
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
                        shared.exactlyOnce()))
                .whenComplete((held, failure) -> answer.complete(failure != null ? mirrored : mirrored.inRedis(held)));
    }

    private Optional<SharedBuckets> redisFor(AgentMirror buckets) {
        return shared.redis().filter(redis -> redis.inUse(buckets));
    }

    private AgentView viewOfMirror(AgentMirror buckets, Policy policy) {
        long nowMicros = shared.clock().getAsLong();
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = TokenBucket.refill(buckets.bucketsOrFull(policy.terms(), nowSeconds), policy.promises(), nowSeconds);
        var recent = activity.recent(buckets.agent());
        return new AgentView(policy, held, DecidedBy.LOCAL, nowMicros, isKnown(buckets.agent()), recent);
    }

    private boolean isKnown(Agent agent) {
        if (agent.lastDecidedMicros() > 0 || agent.isAwaited()) return true;
        for (var kept : Spend.Kept.values()) {
            if (mirror.of(agent, kept).bucket() != null) return true;
        }
        return false;
    }

    /**
     * Fills an agent's buckets: at once in the mirror, and once that is committed in Redis, as soon as it answers. An answer comes
     * after the commit: what is undone was never told.
     *
     * @param by who
     */
    void reset(String agentId, String by, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var kept = SendQueue.kept(policy);
        var buckets = mirror.of(agent, kept);
        // A moment of its own, so that every reader knows what was decided before.
        long nowMicros = agent.notBeforeLast(Math.max(shared.clock().getAsLong(), agent.lastDecidedMicros() + 1));
        buckets.fill(
                AgentBuckets.full(policy.terms(), TokenBucket.seconds(nowMicros)),
                shared.redis().isPresent());
        mirror.storeWithCommit(buckets);
        refills.afterCommit(buckets, () -> tellFilled(agentId, kept, answer));
        resets.accept(new BucketReset(agentId, policy, nowMicros, by));
    }

    private void tellFilled(String agentId, Spend.Kept kept, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = mirror.of(agent, kept);
        if (buckets.isRefillUntold()) refills.note(buckets);
        redisFor(buckets)
                .ifPresentOrElse(
                        redis -> refills.tell(redis, buckets, policy.promises(), () -> look(agentId, answer)),
                        () -> look(agentId, answer));
    }
}
