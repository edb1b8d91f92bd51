package io.tollgate.quota;

import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * One task's requests on their way to Redis, a few calls at a time: a large poll must not keep other programs waiting. For one stream
 * thread alone.
 */
final class SendQueue {
    private final QuotaContext shared;
    private final CallLimits limits;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final Deque<Map<AgentState, List<PendingDecision>>> queued = new ArrayDeque<>();
    private final Deque<RedisCall> unanswered = new ArrayDeque<>();
    /** Requests that were not sent because Redis was away, in the order in which they will be decided. */
    private final Deque<PendingDecision> leftBehind = new ArrayDeque<>();

    private Map<AgentState, List<PendingDecision>> filling = new LinkedHashMap<>();
    private int fillingRequests;

    SendQueue(QuotaContext shared, AgentCache cache, TaskOffsets offsets) {
        this.shared = shared;
        this.limits = shared.callLimits();
        this.cache = cache;
        this.offsets = offsets;
    }

    /** Queues an agent's requests of one source and policy, in the order of their offsets. */
    void add(AgentState buckets, List<PendingDecision> requests) {
        for (int from = 0; from < requests.size(); from += limits.requests()) {
            var part = requests.subList(from, Math.min(from + limits.requests(), requests.size()));
            filling.put(buckets, part);
            fillingRequests += part.size();
            for (var request : part) request.queued(true);
            if (filling.size() == limits.agents() || fillingRequests >= limits.requests()) queueFilling();
        }
    }

    private void queueFilling() {
        if (!filling.isEmpty()) queued.add(filling);
        filling = new LinkedHashMap<>();
        fillingRequests = 0;
    }

    /** Sends as much of what was added as Redis should have of this task at a time. */
    void flush() {
        queueFilling();
        sendMore();
    }

    void sendMore() {
        while (!leftBehind.isEmpty() && leftBehind.getFirst().isDecided()) leftBehind.removeFirst();
        if (queued.isEmpty()) return;
        while (!unanswered.isEmpty() && unanswered.getFirst().isDone()) unanswered.removeFirst();
        while (!queued.isEmpty() && unanswered.size() < limits.calls()) sendNext();
    }

    /** Sends what is queued, up to this request. */
    void sendUpTo(PendingDecision request) {
        while (request.isQueued() && !queued.isEmpty()) sendNext();
    }

    private void sendNext() {
        var redis = shared.redis().orElseThrow();
        var call = new LinkedHashMap<AgentState, List<PendingDecision>>();
        queued.removeFirst().forEach((buckets, requests) -> {
            for (var request : requests) request.queued(false);
            var unsent = requests.get(0).asked() == null
                    ? requests
                    : requests.stream()
                            .filter(request -> request.asked() == null)
                            .toList();
            if (unsent.isEmpty()) return;
            if (!redis.inUse(buckets)) leftBehind.addAll(unsent);
            else if (isToBeSent(buckets, unsent)) call.put(buckets, unsent);
        });
        if (!call.isEmpty()) send(redis, call);
    }

    /** Returns false for agents that are surely exhausted, and for those whose earlier requests have not been sent. */
    private boolean isToBeSent(AgentState buckets, List<PendingDecision> requests) {
        return !buckets.isDecidedAlone(cache.commits())
                && buckets.agent().isAllSentBefore(requests.get(0), buckets)
                && !refusesAll(buckets, requests);
    }

    private boolean refusesAll(AgentState buckets, List<PendingDecision> requests) {
        double nowSeconds = nowSeconds(buckets);
        for (var request : requests) {
            if (!surelyRefuses(buckets, request, nowSeconds)) return false;
        }
        return true;
    }

    /** Returns whether Redis would surely refuse the request. */
    boolean surelyRefuses(AgentState buckets, PendingDecision request, double nowSeconds) {
        // Under at-least-once the refusal may have gone out when the request is processed again, and no fence knows of
        // it.
        return shared.exactlyOnce()
                && buckets.surelyRefuses(
                        request.place(),
                        request.charge().costTokens(),
                        policy(request).promises(),
                        nowSeconds,
                        shared.time().nanoTime());
    }

    /**
     * Sends the first request of an agent now, with what else of its source waits there. Other agents whose requests were left behind
     * go with it: each alone would take a round trip when Redis is back.
     *
     * @param atOnce how many of the agent's requests may be sent; others may lie between them that are not noted
     */
    RedisCall.Part sendNow(RedisGateway redis, AgentState buckets, PendingDecision first, int atOnce) {
        var call = new LinkedHashMap<AgentState, List<PendingDecision>>();
        call.put(buckets, waiting(buckets, first, atOnce));
        int requests = call.get(buckets).size();
        while (!leftBehind.isEmpty() && call.size() < limits.agents() && requests < limits.requests()) {
            var next = leftBehind.removeFirst();
            var its = bucketsOf(next);
            if (its.isEmpty() || call.containsKey(its.get()) || !redis.inUse(its.get())) continue;
            var together = waiting(its.get(), next, limits.requests());
            call.put(its.get(), together);
            requests += together.size();
        }
        send(redis, call);
        return Objects.requireNonNull(first.asked());
    }

    /** Returns the buckets of a request that can be sent next; empty where it was decided or sent, or others come before it. */
    private Optional<AgentState> bucketsOf(PendingDecision request) {
        var agent = request.agent();
        if (agent == null || request.isDecided() || request.asked() != null) return Optional.empty();
        if (agent.pending(request.place()).peekFirst() != request) return Optional.empty();
        var buckets = cache.of(agent, kind(policy(request)));
        return buckets.isDecidedAlone(cache.commits()) ? Optional.empty() : Optional.of(buckets);
    }

    private List<PendingDecision> waiting(AgentState buckets, PendingDecision first, int atOnce) {
        var pending = buckets.agent().pending(first.place());
        var policy = policy(first);
        // Some of these may be in Redis already, in calls that can no longer be used. Calls that still can are no
        // reason: their answers are given again.
        for (var request : pending) {
            if (!request.isAbandoned(buckets)) continue;
            buckets.startAnew(policy.terms(), nowSeconds(buckets));
            break;
        }
        // One call knows one policy, and what comes after another one must not overtake it.
        var requests = new ArrayList<PendingDecision>();
        for (var request : pending) {
            if (requests.size() == atOnce || !isOf(policy, request)) break;
            requests.add(request);
        }
        return requests;
    }

    private static boolean isOf(Policy policy, PendingDecision request) {
        var its = request.policy();
        return its == policy
                || its != null && its.mode() == policy.mode() && its.promises().equals(policy.promises());
    }

    private double nowSeconds(AgentState buckets) {
        return TokenBucket.seconds(shared.nowMicros(buckets));
    }

    /** Returns which of an agent's buckets a policy spends. */
    static BucketKind kind(Policy policy) {
        return policy.mode() == Mode.SHADOW ? BucketKind.SHADOW : BucketKind.ENFORCED;
    }

    static Policy policy(PendingDecision request) {
        return Objects.requireNonNull(request.policy());
    }

    /** @param requests of one source and one policy for each agent */
    private void send(RedisGateway redis, Map<AgentState, List<PendingDecision>> requests) {
        for (var ofOneNode : redis.byNode(requests)) sendTogether(redis, ofOneNode);
    }

    private void sendTogether(RedisGateway redis, Map<AgentState, List<PendingDecision>> requests) {
        var spends = new ArrayList<SpendRequest>(requests.size());
        requests.forEach((buckets, charged) -> spends.add(spend(buckets, charged)));
        var call = redis.send(spends);
        unanswered.add(call);
        int index = 0;
        for (var entry : requests.entrySet()) {
            var buckets = entry.getKey();
            var charged = entry.getValue();
            int place = charged.get(0).place();
            var asked = new RedisCall.Part(buckets, call, index, spends.get(index), place);
            for (int i = 0; i < charged.size(); i++) charged.get(i).sent(asked, i);
            buckets.sent(asked, charged.get(charged.size() - 1).charge().offset());
            index++;
        }
    }

    private SpendRequest spend(AgentState buckets, List<PendingDecision> charged) {
        var first = charged.get(0);
        int place = first.place();
        return buckets.spend(
                charged,
                policy(first).promises(),
                place,
                offsets.sources(),
                offsets.committed(place),
                shared.exactlyOnce());
    }
}
