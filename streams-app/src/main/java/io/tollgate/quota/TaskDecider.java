package io.tollgate.quota;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.metrics.RareWarning;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.quota.TaskOutput.Decided;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides the requests of one task's agents. For one stream thread alone: the one that polls the task's records and processes
 * them.
 *
 * <p>Three ways, in this order: what Redis answered to the call that was sent when the records were polled; a call made now, for
 * all of the agent's requests that wait; the mirror. A request whose call failed is never sent again: Redis may have charged it.
 */
final class TaskDecider {
    private static final Logger log = LoggerFactory.getLogger(TaskDecider.class);

    private final RareWarning unusableKeys = new RareWarning(log);
    private final RareWarning repairs = new RareWarning(log);
    private final TaskActivity activity = new TaskActivity();
    private final QuotaContext shared;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final SendQueue queue;
    private final AgentQueries queries;
    private volatile @Nullable TaskTimer timer;
    /** The agents of the batch that is being polled. */
    private final List<AgentQueue> polled = new ArrayList<>();

    TaskDecider(QuotaContext shared, BucketStore store, int partition, String rekeyedTopic) {
        this.shared = shared;
        var sources = TaskSources.of(shared.sources(), shared.requestsTopic(), rekeyedTopic, partition);
        this.offsets = new TaskOffsets(
                sources,
                shared.sources(),
                shared.committed(),
                shared.exactlyOnce() ? store.wrapped() : null,
                shared.metrics());
        this.cache = new AgentCache(store, shared.policies(), shared.partitions());
        this.queue = new SendQueue(shared, cache, offsets);
        this.queries = new AgentQueries(shared, cache, offsets, activity);
    }

    /** Says which timer serves the task. */
    void servedBy(TaskTimer taskTimer) {
        timer = taskTimer;
    }

    /** Wakes the task's timer if somebody has asked the task something. */
    void wakeIfAsked() {
        var current = timer;
        if (current != null) current.wakeIfAsked();
    }

    TaskOffsets offsets() {
        return offsets;
    }

    AgentQueries queries() {
        return queries;
    }

    TaskActivity activity() {
        return activity;
    }

    AgentCache cache() {
        return cache;
    }

    /** Writes to the store what must be committed with what the task commits now. */
    void beforeCommit() {
        cache.beforeCommit();
        offsets.beforeCommit();
        queries.beforeCommit();
    }

    /** Notes a request of the batch that is being polled, in the order of offsets. */
    void notePolled(PendingDecision request) {
        var agent = cache.agent(request.request().agentId());
        if (agent.notePolled(request)) polled.add(agent);
    }

    /** Forgets what was noted of the batch that is being polled. */
    void forgetPolled() {
        for (var agent : polled) agent.takePolled();
        polled.clear();
    }

    /**
     * Notes the polled requests as pending, and sends them to Redis, a few calls at a time, each as large as {@link CallLimits} says.
     *
     * @param place of their source, one for all of them
     * @param missedThrough the last offset of the source that was polled without being noted here; -1: none. Nothing is sent
     *     before it is decided: Redis would decide it after its successors, and no fence would remember it
     */
    void prefetch(int place, long missedThrough) {
        boolean mayBeSent = shared.redis().isPresent() && offsets.takenThrough(place) >= missedThrough;
        for (var agent : polled) {
            var requests = agent.takePolled();
            var policy = agent.policy(shared.policies());
            for (var request : requests) request.decideBy(agent, policy);
            agent.pending(place).addAll(requests);
            if (mayBeSent && policy.mode() != Mode.OFF) queue.add(cache.of(agent, SendQueue.kind(policy)), requests);
        }
        polled.clear();
        queue.flush();
    }

    /**
     * Decides a request that the prefetch has noted, or has not seen. Waits for Redis within its time limit.
     *
     * @return the decision, and the policy that it was made by
     */
    Decided decide(PendingDecision pending) {
        queue.sendMore();
        var request = pending.request();
        var noted = pending.agent();
        boolean prefetched = noted != null;
        var agent = noted != null ? noted : cache.agent(request.agentId());
        if (pending.policy() == null) pending.decideBy(agent, agent.policy(shared.policies()));
        var policy = SendQueue.policy(pending);
        bringToFront(agent, pending);
        var buckets = policy.mode() == Mode.OFF ? null : cache.of(agent, SendQueue.kind(policy));
        var decision = buckets == null
                ? approveUncharged(agent, policy)
                : decideFirst(
                        buckets,
                        pending,
                        policy,
                        prefetched ? shared.callLimits().requests() : 1);
        agent.pending(pending.place()).removeFirst();
        pending.decided();
        agent.notBeforeLast(decision.decidedAtMicros());
        activity.decided(agent, request.costTokens(), decision, policy.mode() == Mode.ENFORCE);
        var held = buckets == null ? null : buckets.bucket();
        boolean several = decision.terms().limits().size() > 1;
        var left = RemainingQuota.of(decision, held == null || !several ? null : held.buckets());
        return new Decided(request, policy.of(agent.id(), decision.terms()), decision, left);
    }

    private Decision approveUncharged(AgentQueue agent, Policy policy) {
        return new Decision.Approved(
                policy.limit().capacityTokens(),
                agent.notBeforeLast(shared.nowMicros(agent.id(), BucketKind.ENFORCED)),
                DecidedBy.LOCAL,
                policy.terms());
    }

    /** Makes the request the first of its source: records that never arrived here, if any, left theirs behind. */
    private static void bringToFront(AgentQueue agent, PendingDecision request) {
        var pending = agent.pending(request.place());
        if (pending.peekFirst() == request) return;
        while (!pending.isEmpty()
                && pending.getFirst().charge().offset() <= request.charge().offset()) {
            pending.removeFirst();
        }
        pending.addFirst(request);
    }

    /** @param atOnce how many of the agent's pending requests may be sent; others may lie between them that are not noted */
    private Decision decideFirst(AgentState buckets, PendingDecision request, Policy policy, int atOnce) {
        if (buckets.isResetPending()) {
            queries.noteUntold(buckets); // after a restart it is known from the store alone
            return decideLocally(buckets, request, policy);
        }
        queue.sendUpTo(request);
        var asked = request.asked();
        if (asked != null) {
            var answer = decided(asked, policy);
            if (answer.isEmpty()) return decideLocally(buckets, request, policy);
            if (request.isUsable(buckets)) return accept(buckets, request, asked, answer.get());
        }
        long nowMicros = shared.nowMicros(buckets);
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var redis = shared.redis().filter(each -> each.inUse(buckets));
        if (redis.isEmpty() || buckets.isDecidedAlone(cache.commits())) return decideLocally(buckets, request, policy);
        if (queue.surelyRefuses(buckets, request, nowSeconds)) {
            return refuseUnasked(buckets, request, policy, nowMicros);
        }
        var askedNow = queue.sendNow(redis.get(), buckets, request, atOnce);
        return decided(askedNow, policy)
                .map(answer -> accept(buckets, request, askedNow, answer))
                .orElseGet(() -> decideLocally(buckets, request, policy));
    }

    /** Waits for Redis; returns its decisions, empty if there are none in time, it disagrees, or it refused the agent's key. */
    private Optional<SpendResult.Decided> decided(RedisCall.Part asked, Policy policy) {
        var answer = asked.await();
        if (answer.isEmpty()) return Optional.empty();
        if (answer.get() instanceof SpendResult.Decided decided) return Optional.of(decided);
        if (answer.get() instanceof SpendResult.Disagrees disagrees) {
            shared.metrics().disagreed();
            double nowSeconds = TokenBucket.seconds(shared.nowMicros(asked.state()));
            asked.state().disagreed(disagrees, policy.promises(), nowSeconds, shared.exactlyOnce(), cache.commits());
            return Optional.empty();
        }
        shared.metrics().unusableKey();
        unusableKeys.say(
                "Redis refuses the bucket of agent \"{}\", which is decided locally: {}",
                asked.spend().agentId(),
                ((SpendResult.Failed) answer.get()).message());
        return Optional.empty();
    }

    private Decision accept(
            AgentState buckets, PendingDecision request, RedisCall.Part asked, SpendResult.Decided answer) {
        for (var part : buckets.answeredThrough(asked)) {
            boolean wasStored = buckets.isStored();
            var its =
                    part == asked ? answer : (SpendResult.Decided) part.await().orElseThrow();
            buckets.accept(part, its, offsets.sources());
            cache.changed(buckets, wasStored, part.call().awaitedNanos());
            note(buckets.agent().id(), its);
        }
        return answer.decisions().get(request.index());
    }

    private void note(String agentId, SpendResult.Decided answer) {
        shared.metrics().replayed(answer.replays());
        if (answer.reconciled()) shared.metrics().reconciled();
        if (!answer.repaired()) return;
        shared.metrics().repaired();
        repairs.say(
                "the bucket of agent \"{}\" in Redis held a field that is no number, and has been repaired", agentId);
    }

    private Decision decideLocally(AgentState buckets, PendingDecision request, Policy policy) {
        int place = request.place();
        long id = offsets.sources().id(place);
        long nowMicros = buckets.agent().notBeforeLast(shared.nowMicros(buckets));
        var outcome = TokenBucket.spend(
                buckets.bucketsOrFull(policy.terms(), TokenBucket.seconds(nowMicros)),
                buckets.fence(place, id),
                policy.promises(),
                offsets.committed(place),
                List.of(request.charge()),
                nowMicros,
                DecidedBy.LOCAL);
        shared.metrics().replayed(outcome.replays());
        buckets.decidedLocally(outcome, place, id);
        cache.storeWithCommit(buckets);
        return outcome.decisions().get(0);
    }

    /** Answers what Redis would: its buckets hold no more than the mirror, and the mirror does not cover the cost. */
    private Decision refuseUnasked(AgentState buckets, PendingDecision request, Policy policy, long nowMicros) {
        int place = request.place();
        long atMicros = buckets.refusedUnaskedAt(place, nowMicros);
        var refusal = TokenBucket.spend(
                        buckets.bucketsOrFull(policy.terms(), TokenBucket.seconds(nowMicros)),
                        Fence.NONE,
                        policy.promises(),
                        -1,
                        List.of(request.charge()),
                        atMicros,
                        DecidedBy.REDIS)
                .decisions()
                .get(0);
        buckets.refusedUnasked(request, refusal, offsets.committed(place));
        return refusal;
    }
}
