package io.tollgate.quota;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides the requests of one task's agents. For one stream thread alone: the one that polls the task's records and processes
 * them.
 *
 * <p>Three ways, in this order: what Redis answered to the call that was sent when the records were polled; a call made now, for
 * all of the agent's requests that wait; the mirror. A request whose call failed is never sent again: Redis may have charged it.
 */
final class TaskBuckets {
    /** Agents in one call: a script of about half a millisecond, after which Redis serves others. */
    private static final int CHUNK_AGENTS = 128;
    /** An agent's requests in one call. */
    private static final int MAX_CHARGES = 512;

    private static final Logger log = LoggerFactory.getLogger(TaskBuckets.class);

    private final RareWarning unusableKeys = new RareWarning(log);
    private final RareWarning repairs = new RareWarning(log);
    private final Shared shared;
    private final Mirror mirror;
    private final long requestsSource;
    private final long rekeyedSource;
    private final int partition;
    private final String rekeyedTopic;
    private long requestsDecidedThrough = -1;
    private long rekeyedDecidedThrough = -1;

    TaskBuckets(Shared shared, KeyValueStore<String, byte[]> store, int partition, String rekeyedTopic) {
        this.shared = shared;
        this.mirror = new Mirror(store, this::limit);
        this.partition = partition;
        this.rekeyedTopic = rekeyedTopic;
        this.requestsSource = shared.sources().idOf(shared.requestsTopic(), partition);
        this.rekeyedSource = shared.sources().idOf(rekeyedTopic, partition);
    }

    Mirror mirror() {
        return mirror;
    }

    /** Returns the source of offsets on this topic of the task. */
    long source(String topic) {
        return topic.equals(shared.requestsTopic()) ? requestsSource : rekeyedSource;
    }

    private long committed(long source) {
        var topic = source == requestsSource ? shared.requestsTopic() : rekeyedTopic;
        return shared.committed().of(new TopicPartition(topic, partition));
    }

    private long decidedThrough(long source) {
        return source == requestsSource ? requestsDecidedThrough : rekeyedDecidedThrough;
    }

    private Limit limit(String agentId) {
        return shared.policy().limit();
    }

    /**
     * Sends the polled requests to Redis: one call for each {@value #CHUNK_AGENTS} agents, none for agents that are surely
     * exhausted, or whose earlier requests have not been sent.
     *
     * @param requests of one source, by agent, in the order of their offsets; they are noted as pending
     * @param missedThrough the last offset of the source that was polled without being noted here; -1: none. Nothing is sent
     *     before it is decided: Redis would decide it after its successors, and no fence would remember it
     */
    void prefetch(Map<String, List<PendingDecision>> requests, long source, long missedThrough) {
        var redis = decidedThrough(source) < missedThrough
                ? Optional.<SharedBuckets>empty()
                : shared.redis().filter(SharedBuckets::inUse);
        double nowSeconds = TokenBucket.seconds(shared.clock().getAsLong());
        var toSend = new LinkedHashMap<AgentMirror, List<PendingDecision>>();
        requests.forEach((agentId, polled) -> {
            var agent = mirror.of(agentId);
            boolean send = redis.isPresent() && agent.isAllSent() && !refusesAll(agent, polled, nowSeconds);
            agent.pending().addAll(polled);
            if (send) toSend.put(agent, polled);
            if (toSend.size() == CHUNK_AGENTS) {
                send(redis.orElseThrow(), toSend, source);
                toSend.clear();
            }
        });
        if (!toSend.isEmpty()) send(redis.orElseThrow(), toSend, source);
    }

    private boolean refusesAll(AgentMirror agent, List<PendingDecision> requests, double nowSeconds) {
        for (var request : requests) {
            if (!surelyRefuses(agent, request, nowSeconds)) return false;
        }
        return true;
    }

    private boolean surelyRefuses(AgentMirror agent, PendingDecision request, double nowSeconds) {
        // Under at-least-once the refusal may have gone out when the request is processed again, and no fence knows of
        // it.
        return shared.exactlyOnce()
                && agent.surelyRefuses(request.charge().costTokens(), limit(agent.agentId()), nowSeconds);
    }

    private void send(SharedBuckets redis, Map<AgentMirror, List<PendingDecision>> requests, long source) {
        long committed = committed(source);
        var spends = new ArrayList<Spend>(requests.size());
        requests.forEach(
                (agent, charged) -> spends.add(agent.spend(charged, limit(agent.agentId()), source, committed)));
        var chunk = redis.send(spends);
        int index = 0;
        for (var entry : requests.entrySet()) {
            var asked = new Asked(
                    chunk,
                    index,
                    spends.get(index),
                    entry.getValue(),
                    entry.getKey().epoch());
            for (int i = 0; i < entry.getValue().size(); i++)
                entry.getValue().get(i).sent(asked, i);
            index++;
        }
    }

    /** Decides a request that the prefetch has noted, or has not seen. Waits for Redis within its time limit. */
    Decision decide(String agentId, PendingDecision request) {
        var agent = mirror.of(agentId);
        boolean prefetched = bringToFront(agent, request);
        var decision = decideFirst(agent, request, prefetched ? MAX_CHARGES : 1);
        agent.pending().removeFirst();
        if (request.source() == requestsSource)
            requestsDecidedThrough = request.charge().offset();
        else rekeyedDecidedThrough = request.charge().offset();
        return decision;
    }

    /**
     * Makes the request the agent's first: records that never arrived here, if any, left theirs behind. Of its own source alone: a
     * stray may overtake requests at home that were polled before it, and those are still to come.
     *
     * @return whether the prefetch has noted it
     */
    private static boolean bringToFront(AgentMirror agent, PendingDecision request) {
        var pending = agent.pending();
        if (pending.peekFirst() == request) return true;
        boolean prefetched = pending.contains(request);
        pending.removeIf(other -> other.source() == request.source()
                && other.charge().offset() <= request.charge().offset());
        pending.addFirst(request);
        return prefetched;
    }

    /** @param atOnce how many of the agent's pending requests may be sent; others may lie between them that are not noted */
    private Decision decideFirst(AgentMirror agent, PendingDecision request, int atOnce) {
        var asked = request.asked();
        if (asked != null) {
            var answer = decided(asked);
            if (answer.isEmpty()) return decideLocally(agent, request);
            if (request.isSentIn(agent.epoch())) return accept(agent, request, asked, answer.get());
        }
        long nowMicros = shared.clock().getAsLong();
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var redis = shared.redis().filter(SharedBuckets::inUse);
        if (redis.isEmpty()) return decideLocally(agent, request);
        if (surelyRefuses(agent, request, nowSeconds)) return refuseUnasked(agent, request, nowMicros);
        var askedNow = askNow(redis.get(), agent, nowSeconds, atOnce);
        return decided(askedNow)
                .map(answer -> accept(agent, request, askedNow, answer))
                .orElseGet(() -> decideLocally(agent, request));
    }

    private Asked askNow(SharedBuckets redis, AgentMirror agent, double nowSeconds, int atOnce) {
        var first = agent.pending().getFirst();
        // Some of these may be in Redis already, in calls that can no longer be used. Calls that still can are no
        // reason: their
        // answers are given again, and Redis keeps what it decided before a crash.
        if (agent.pending().stream().anyMatch(request -> request.asked() != null && !request.isSentIn(agent.epoch()))) {
            agent.startAnew(limit(agent.agentId()), nowSeconds);
        }
        var requests = agent.pending().stream()
                .filter(request -> request.source() == first.source())
                .limit(atOnce)
                .toList();
        send(redis, Map.of(agent, requests), first.source());
        return Objects.requireNonNull(first.asked());
    }

    /** Waits for Redis; returns its decisions, empty if there are none in time, or it refused the agent's key. */
    private Optional<Answer.Decided> decided(Asked asked) {
        var answer = asked.await();
        if (answer.isEmpty()) return Optional.empty();
        if (answer.get() instanceof Answer.Decided decided) return Optional.of(decided);
        shared.metrics().unusableKey();
        unusableKeys.say(
                "Redis refuses the bucket of agent \"{}\", which is decided locally: {}",
                asked.spend().agentId(),
                ((Answer.Failed) answer.get()).message());
        return Optional.empty();
    }

    private Decision accept(AgentMirror agent, PendingDecision request, Asked asked, Answer.Decided answer) {
        if (request.index() == 0) {
            mirror.writeLater(agent);
            agent.accept(asked, answer);
            note(agent.agentId(), answer);
        }
        return answer.decisions().get(request.index());
    }

    private void note(String agentId, Answer.Decided answer) {
        shared.metrics().replayed(answer.replays());
        if (answer.reconciled()) shared.metrics().reconciled();
        if (!answer.repaired()) return;
        shared.metrics().repaired();
        repairs.say(
                "the bucket of agent \"{}\" in Redis held a field that is no number, and has been repaired", agentId);
    }

    private Decision decideLocally(AgentMirror agent, PendingDecision request) {
        long nowMicros = agent.notBeforeLast(shared.clock().getAsLong());
        var limit = limit(agent.agentId());
        var outcome = TokenBucket.spend(
                agent.bucketOrFull(limit, TokenBucket.seconds(nowMicros)),
                agent.fence(request.source()),
                limit,
                committed(request.source()),
                List.of(request.charge()),
                nowMicros,
                DecidedBy.LOCAL);
        shared.metrics().replayed(outcome.replays());
        agent.decidedLocally(outcome, request.source());
        mirror.store(agent);
        return outcome.decisions().get(0);
    }

    /** Answers what Redis would: its bucket holds no more than the mirror, and the mirror does not cover the cost. */
    private Decision refuseUnasked(AgentMirror agent, PendingDecision request, long nowMicros) {
        var limit = limit(agent.agentId());
        long atMicros = agent.notBeforeLast(nowMicros);
        return TokenBucket.spend(
                        agent.bucketOrFull(limit, TokenBucket.seconds(nowMicros)),
                        Fence.NONE,
                        limit,
                        -1,
                        List.of(request.charge()),
                        atMicros,
                        DecidedBy.REDIS)
                .decisions()
                .get(0);
    }
}
