package io.tollgate.quota;

import io.tollgate.bucket.Charge;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.redis.SpendRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One task's requests on their way to Redis, a few calls at a time: a large poll must not keep other programs waiting.
 * For one stream thread alone.
 */
final class SendQueue {
    /** Requests of one agent, source and policy, in the order of their offsets. */
    private record Ask(AgentQueue agent, AgentState buckets, List<PendingDecision> requests) {
        PendingDecision first() {
            return requests.get(0);
        }

        boolean isDecided() {
            return requests.get(requests.size() - 1).isDecided();
        }

        /** Returns the first request of the source that is not decided, if it is one of these. */
        Optional<PendingDecision> next() {
            return Optional.ofNullable(agent.pending(first().place()).peekFirst())
                    .filter(requests::contains);
        }

        /** Returns those that were not sent in the meantime. */
        Ask unsent() {
            if (first().asked() == null) return this; // nearly always
            var unsent = requests.stream().filter(each -> each.asked() == null).toList();
            return new Ask(agent, buckets, unsent);
        }

        List<Charge> charges() {
            var charges = new ArrayList<Charge>(requests.size());
            for (var request : requests) charges.add(request.charge());
            return charges;
        }
    }

    private final QuotaContext shared;
    private final CallLimits limits;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final OpenHolds holds;
    private final Deque<List<Ask>> queued = new ArrayDeque<>();
    private final Deque<RedisCall> unanswered = new ArrayDeque<>();
    /** Requests not sent because Redis was away, in the order of their decisions. */
    private final Deque<Ask> leftBehind = new ArrayDeque<>();

    private List<Ask> filling = new ArrayList<>();
    private int fillingRequests;

    SendQueue(QuotaContext shared, AgentCache cache, TaskOffsets offsets, OpenHolds holds) {
        this.shared = shared;
        this.limits = shared.callLimits();
        this.cache = cache;
        this.offsets = offsets;
        this.holds = holds;
    }

    /**
     * Notes the polled requests as pending, and sends them to Redis, a few calls at a time, each as large as {@link
     * CallLimits} says.
     *
     * @param place of their source, one for all of them
     * @param polled in the order of their offsets
     * @param missedThrough the last offset of the source that was polled without being noted here; -1: none. Nothing is
     *     sent before that one is decided: Redis would decide it after its successors, and no fence would hold it
     */
    void prefetch(int place, List<PendingDecision> polled, long missedThrough) {
        boolean mayBeSent = shared.redis().isPresent() && offsets.takenThrough(place) >= missedThrough;
        var byAgent = new LinkedHashMap<String, List<PendingDecision>>();
        for (var request : polled) {
            byAgent.computeIfAbsent(request.request().agentId(), id -> new ArrayList<>(2))
                    .add(request);
        }
        byAgent.forEach((agentId, requests) -> {
            var agent = cache.agent(agentId);
            var policy = agent.policy(shared.policies());
            for (var request : requests) request.decideBy(policy);
            agent.add(place, requests);
            if (mayBeSent && policy.mode() != Mode.OFF)
                add(agent, cache.of(agent, policy.kind()), sendable(agent, requests));
        });
        if (!filling.isEmpty()) queueFilling();
        sendMore();
    }

    /**
     * Returns those before the first one that would open a hold too many: by the time of its decision, other holds may
     * have ended.
     */
    private List<PendingDecision> sendable(AgentQueue agent, List<PendingDecision> requests) {
        int count = 0;
        while (count < requests.size() && admits(agent, requests.get(count))) count++;
        return requests.subList(0, count);
    }

    /**
     * Returns whether the bucket may decide the request: a request with a hold only while its agent may open one more.
     */
    boolean admits(AgentQueue agent, PendingDecision request) {
        return !request.request().hold() || agent.admits(request, holds.open(agent.id()));
    }

    private void add(AgentQueue agent, AgentState buckets, List<PendingDecision> requests) {
        for (int from = 0; from < requests.size(); from += limits.requests()) {
            var part = requests.subList(from, Math.min(from + limits.requests(), requests.size()));
            filling.add(new Ask(agent, buckets, part));
            fillingRequests += part.size();
            for (var request : part) request.queued(true);
            if (filling.size() == limits.agents() || fillingRequests >= limits.requests()) queueFilling();
        }
    }

    private void queueFilling() {
        queued.add(filling);
        filling = new ArrayList<>();
        fillingRequests = 0;
    }

    /** Sends as many queued requests as this task may have in flight. */
    void sendMore() {
        while (!leftBehind.isEmpty() && leftBehind.getFirst().isDecided()) leftBehind.removeFirst();
        if (queued.isEmpty()) return;
        while (!unanswered.isEmpty() && unanswered.getFirst().isDone()) unanswered.removeFirst();
        while (!queued.isEmpty() && unanswered.size() < limits.calls()) sendNext();
    }

    /** Sends the queued requests up to this one. */
    void sendUpTo(PendingDecision request) {
        while (request.isQueued() && !queued.isEmpty()) sendNext();
    }

    private void sendNext() {
        var redis = shared.redis().orElseThrow();
        var call = new ArrayList<Ask>();
        for (var ask : queued.removeFirst()) {
            for (var request : ask.requests()) request.queued(false);
            var unsent = ask.unsent();
            if (unsent.requests().isEmpty()) continue;
            if (!redis.inUse(unsent.buckets())) leftBehind.add(unsent);
            else if (isToBeSent(unsent)) call.add(unsent);
        }
        if (!call.isEmpty()) send(redis, call);
    }

    /** Returns false for surely exhausted agents, and for those with earlier unsent requests. */
    private boolean isToBeSent(Ask ask) {
        return !ask.buckets().isDecidedAlone(cache.commits())
                && ask.agent().isAllSentBefore(ask.first(), ask.buckets())
                && !refusesAll(ask);
    }

    private boolean refusesAll(Ask ask) {
        double nowSeconds = nowSeconds(ask.buckets());
        for (var request : ask.requests()) {
            if (!surelyRefuses(ask.buckets(), request, nowSeconds)) return false;
        }
        return true;
    }

    /** Returns whether Redis would surely refuse the request, for want of tokens. */
    boolean surelyRefuses(AgentState buckets, PendingDecision request, double nowSeconds) {
        // Under at-least-once the refusal may already be published when the request is processed again, and no fence
        // knows it.
        return shared.exactlyOnce()
                && buckets.surelyRefuses(
                        request,
                        offsets.sources().id(request.place()),
                        nowSeconds,
                        shared.time().nanoTime());
    }

    /**
     * Sends the first request of an agent now, with the waiting ones of its source. Other agents with unsent requests
     * go with it: one by one, each would take a round trip once Redis is back.
     *
     * @param atOnce how many of the agent's requests may be sent; unnoted ones may lie between them
     */
    RedisCall.Part sendNow(
            RedisGateway redis, AgentQueue agent, AgentState buckets, PendingDecision first, int atOnce) {
        var call = new LinkedHashMap<AgentState, Ask>();
        call.put(buckets, waiting(agent, buckets, first, atOnce));
        int requests = call.get(buckets).requests().size();
        while (!leftBehind.isEmpty() && call.size() < limits.agents() && requests < limits.requests()) {
            var left = leftBehind.removeFirst();
            var next = left.next().filter(request -> request.asked() == null && admits(left.agent(), request));
            boolean mayBeSent = !left.buckets().isDecidedAlone(cache.commits())
                    && !left.agent().isAnyAbandoned(left.first().place(), left.buckets())
                    && redis.inUse(left.buckets());
            if (next.isEmpty() || !mayBeSent || call.containsKey(left.buckets())) continue;
            var together = waiting(left.agent(), left.buckets(), next.get(), limits.requests());
            call.put(left.buckets(), together);
            requests += together.requests().size();
        }
        send(redis, List.copyOf(call.values()));
        return Objects.requireNonNull(first.asked());
    }

    private Ask waiting(AgentQueue agent, AgentState buckets, PendingDecision first, int atOnce) {
        var pending = agent.pending(first.place());
        // Some of these may already be in Redis, in calls that can no longer be used. Usable calls do no harm: their
        // answers are given again.
        if (agent.isAnyAbandoned(first.place(), buckets)) {
            buckets.startAnew(first.policy().terms(), nowSeconds(buckets));
        }
        // One call has one policy, and requests after a policy change must not overtake earlier ones.
        var requests = pending.stream()
                .limit(atOnce)
                .takeWhile(request -> request == first || isOf(first.policy(), request) && admits(agent, request))
                .toList();
        return new Ask(agent, buckets, requests);
    }

    private static boolean isOf(Policy policy, PendingDecision request) {
        var its = request.policy();
        return its == policy || its.mode() == policy.mode() && its.promises().equals(policy.promises());
    }

    private double nowSeconds(AgentState buckets) {
        return TokenBucket.seconds(shared.nowMicros(buckets));
    }

    private void send(RedisGateway redis, List<Ask> asks) {
        for (var ofOneNode : redis.byNode(asks, Ask::buckets)) sendTogether(redis, ofOneNode);
    }

    private void sendTogether(RedisGateway redis, List<Ask> asks) {
        var spends = new ArrayList<SpendRequest>(asks.size());
        for (var ask : asks) spends.add(spend(ask));
        var call = redis.send(spends);
        unanswered.add(call);
        for (int i = 0; i < asks.size(); i++) {
            var ask = asks.get(i);
            var asked = ask.buckets()
                    .calls()
                    .send(call, i, spends.get(i), ask.first().place());
            for (int at = 0; at < ask.requests().size(); at++)
                ask.requests().get(at).sent(asked, at);
        }
    }

    private SpendRequest spend(Ask ask) {
        int place = ask.first().place();
        return ask.buckets()
                .spend(
                        ask.charges(),
                        ask.first().policy().promises(),
                        place,
                        offsets.sources(),
                        offsets.committed(place),
                        shared.exactlyOnce(),
                        cache.commits(),
                        nowSeconds(ask.buckets()));
    }
}
