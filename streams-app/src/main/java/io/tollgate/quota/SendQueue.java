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
    /**
     * Requests of one agent, source and policy, in the order of their offsets.
     *
     * @param queue of the agent's task
     */
    private record Ask(SendQueue queue, AgentQueue agent, AgentState buckets, List<PendingDecision> requests) {
        PendingDecision first() {
            return requests.get(0);
        }

        boolean isDecided() {
            return requests.get(requests.size() - 1).isDecided();
        }

        /** Returns the first request of the source that is not decided, if it is one of these. */
        Optional<PendingDecision> next() {
            return Optional.ofNullable(agent.first(first().place())).filter(requests::contains);
        }

        /** Returns those that were not sent in the meantime. */
        Ask unsent() {
            if (first().asked() == null) return this; // nearly always
            var unsent = requests.stream().filter(each -> each.asked() == null).toList();
            return new Ask(queue, agent, buckets, unsent);
        }

        List<Charge> charges() {
            var charges = new ArrayList<Charge>(requests.size());
            for (var request : requests) charges.add(request.charge());
            return charges;
        }

        SpendRequest spend() {
            return queue.spend(this);
        }

        /** Notes the call that asks; {@code index} is the place of these requests in it. */
        void sent(RedisCall call, int index, SpendRequest spend) {
            if (queue.unanswered.peekLast() != call) queue.unanswered.add(call);
            var asked = buckets.calls().send(call, index, spend, first().place());
            for (int at = 0; at < requests.size(); at++) requests.get(at).sent(asked, at);
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
     * Notes the polled requests as pending, and queues them for Redis, in calls as large as {@link CallLimits} says.
     * All but the last are sent at once, a few at a time; {@link #sendPolled} sends that one.
     *
     * @param place of their source, one for all of them
     * @param polled in the order of their offsets
     * @param missedThrough the last offset of the source that was polled without being noted here; -1: none. Nothing is
     *     sent before that one is decided: Redis would decide it after its successors, and no fence would hold it
     */
    void prefetch(int place, List<PendingDecision> polled, long missedThrough) {
        boolean mayBeSent = shared.redis().isPresent() && offsets.takenThrough(place) >= missedThrough;
        var agents = new ArrayList<AgentQueue>();
        for (var request : polled) {
            var agent = cache.agent(request.request().agentId());
            if (agent.collect(request)) agents.add(agent);
        }
        var byAgent = agents.stream().map(AgentQueue::takeCollected).toList(); // before anything may fail
        for (int i = 0; i < agents.size(); i++) {
            var agent = agents.get(i);
            var requests = byAgent.get(i);
            var policy = agent.policy(shared.policies());
            for (var request : requests) request.decideBy(policy);
            agent.add(place, requests);
            if (mayBeSent && policy.mode() != Mode.OFF)
                add(agent, cache.of(agent, policy.kind()), sendable(agent, requests));
        }
        if (!filling.isEmpty()) queueFilling();
        sendAllButLast();
    }

    /**
     * Sends what the tasks of one poll have queued. The last calls, which are not full, go together: at low load one
     * call decides for all partitions.
     *
     * @param polled the tasks' queues, all of this thread
     */
    static void sendPolled(List<SendQueue> polled) {
        var together = new ArrayList<Ask>();
        int requests = 0;
        for (var queue : polled) {
            queue.sendAllButLast();
            if (queue.queued.size() != 1 || !queue.mayCall()) continue; // it sends the rest when Redis has answered
            var last = queue.takeNext();
            int more = last.stream().mapToInt(ask -> ask.requests().size()).sum();
            if (together.size() + last.size() > queue.limits.agents() || requests + more > queue.limits.requests()) {
                queue.send(together);
                together.clear();
                requests = 0;
            }
            together.addAll(last);
            requests += more;
        }
        if (!polled.isEmpty()) polled.get(0).send(together);
    }

    /**
     * Returns those before the first one that would open a hold too many: by the time of its decision, other holds may
     * have ended.
     */
    private List<PendingDecision> sendable(AgentQueue agent, List<PendingDecision> requests) {
        int count = 0;
        while (count < requests.size() && admits(agent, requests.get(count))) count++;
        return count == requests.size() ? requests : requests.subList(0, count);
    }

    /**
     * Returns whether the bucket may decide the request: a request with a hold only while its agent may open one more.
     */
    boolean admits(AgentQueue agent, PendingDecision request) {
        return !request.request().hold() || agent.admits(request, holds.open(agent.id()));
    }

    private void add(AgentQueue agent, AgentState buckets, List<PendingDecision> requests) {
        for (int from = 0; from < requests.size(); from += limits.requests()) {
            int to = Math.min(from + limits.requests(), requests.size());
            var part = from == 0 && to == requests.size() ? requests : requests.subList(from, to);
            filling.add(new Ask(this, agent, buckets, part));
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
        forgetAnswered();
        while (mayCall()) sendNext();
    }

    private void sendAllButLast() {
        forgetAnswered();
        while (queued.size() > 1 && mayCall()) sendNext();
    }

    private void forgetAnswered() {
        while (!unanswered.isEmpty() && unanswered.getFirst().isDone()) unanswered.removeFirst();
    }

    /** Returns whether requests are queued, and this task may have one more call in flight. */
    private boolean mayCall() {
        return !queued.isEmpty() && unanswered.size() < limits.calls();
    }

    /** Sends the queued requests up to this one. */
    void sendUpTo(PendingDecision request) {
        while (request.isQueued() && !queued.isEmpty()) sendNext();
    }

    private void sendNext() {
        send(takeNext());
    }

    /** Removes the next call from the queue, and returns what it asks. */
    private List<Ask> takeNext() {
        var redis = shared.redis().orElseThrow();
        var next = new ArrayList<Ask>();
        for (var ask : queued.removeFirst()) {
            for (var request : ask.requests()) request.queued(false);
            var unsent = ask.unsent();
            if (unsent.requests().isEmpty()) continue;
            if (!redis.inUse(unsent.buckets())) leftBehind.add(unsent);
            else if (isToBeSent(unsent)) next.add(unsent);
        }
        return next;
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
        send(List.copyOf(call.values()));
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
        return new Ask(this, agent, buckets, requests);
    }

    private static boolean isOf(Policy policy, PendingDecision request) {
        var its = request.policy();
        return its == policy || its.mode() == policy.mode() && its.promises().equals(policy.promises());
    }

    private double nowSeconds(AgentState buckets) {
        return TokenBucket.seconds(shared.nowMicros(buckets));
    }

    private void send(List<Ask> asks) {
        if (asks.isEmpty()) return;
        var redis = shared.redis().orElseThrow();
        for (var ofOneNode : redis.byNode(asks, Ask::buckets)) sendTogether(redis, ofOneNode);
    }

    private static void sendTogether(RedisGateway redis, List<Ask> asks) {
        var spends = new ArrayList<SpendRequest>(asks.size());
        for (var ask : asks) spends.add(ask.spend());
        var call = redis.send(spends);
        for (int i = 0; i < asks.size(); i++) asks.get(i).sent(call, i, spends.get(i));
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
