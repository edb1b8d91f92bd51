package io.tollgate.quota;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.function.Function;
import org.apache.kafka.streams.state.KeyValueStore;
import org.jspecify.annotations.Nullable;

/**
 * The buckets of one task's agents, in memory over the changelogged store {@code local-buckets}. For one stream thread alone: the
 * one that polls the task's records and processes them.
 *
 * <p>What is decided without Redis goes to the store at once, and with it into the transaction that commits the decision. What
 * Redis answered is written behind: Redis has it. Memory is bounded: {@value #MAX_IN_MEMORY} agents, the least recently seen go
 * to the store; a bucket that is full again is forgotten in both, because an absent bucket is a full one.
 */
final class Mirror {
    static final String STORE = "local-buckets";

    private static final int MAX_IN_MEMORY = 100_000;
    private static final int MAX_WRITTEN_BEHIND = 500;
    private static final int MAX_SWEPT = 2_000;
    /** How long a full bucket is kept after its last request: replays of uncommitted requests find their fence. */
    private static final double IDLE_SECONDS = 60;

    private final KeyValueStore<String, byte[]> store;
    private final Function<String, Limit> limits;
    private final LinkedHashMap<String, AgentMirror> agents = new LinkedHashMap<>(1024, 0.75f, true);
    private final ArrayDeque<AgentMirror> toWrite = new ArrayDeque<>();
    private @Nullable String sweepFrom;
    /** For metrics, which other threads read: when the oldest change was made that is not stored, 0 for none. */
    private volatile long unstoredSinceNanos;

    private volatile int agentsInMemory;

    Mirror(KeyValueStore<String, byte[]> store, Function<String, Limit> limits) {
        this.store = store;
        this.limits = limits;
    }

    /** Returns what we know of the agent, from memory or from the store. */
    AgentMirror of(String agentId) {
        var known = agents.get(agentId);
        if (known != null) return known;
        byte[] encoded = store.get(agentId);
        var loaded = new AgentMirror(agentId, encoded == null ? null : MirroredBucket.decode(encoded));
        agents.put(agentId, loaded);
        if (agents.size() > MAX_IN_MEMORY) evictEldest();
        return loaded;
    }

    private void evictEldest() {
        var eldest = agents.values().iterator();
        var agent = eldest.next();
        if (!agent.pending().isEmpty()) return; // its requests are about to be decided
        store(agent);
        eldest.remove();
    }

    /** Writes the agent's bucket to the store, if the store does not hold it yet. */
    void store(AgentMirror agent) {
        if (agent.isStored() || agent.bucket() == null) return;
        store.put(agent.agentId(), agent.bucket().encode());
        agent.markStored();
    }

    /** Notes that the agent's bucket is about to change by an answer of Redis. */
    void writeLater(AgentMirror agent) {
        if (!agent.isStored()) return;
        toWrite.add(agent);
        agent.changedNow();
        if (toWrite.size() == 1) unstoredSinceNanos = agent.changedNanos();
    }

    /** Writes behind what Redis answered, in the order of the answers, a bounded number of agents. */
    void writeBehind() {
        for (int i = 0; i < MAX_WRITTEN_BEHIND && !toWrite.isEmpty(); i++) store(toWrite.remove());
        var oldest = toWrite.peek();
        unstoredSinceNanos = oldest == null ? 0 : oldest.changedNanos();
        agentsInMemory = agents.size();
    }

    /** Returns how many agents were in memory a moment ago. For any thread. */
    int agentsInMemory() {
        return agentsInMemory;
    }

    /** Returns how old the oldest answer of Redis is that the store does not hold. For any thread. */
    double ageSeconds() {
        long since = unstoredSinceNanos;
        return since == 0 ? 0 : (System.nanoTime() - since) / 1e9;
    }

    /** Forgets buckets that are full and idle, a bounded number of agents; goes on next time where it stopped. */
    void sweep(double nowSeconds) {
        var full = new ArrayList<String>();
        int seen = 0;
        try (var stored = sweepFrom == null ? store.all() : store.range(sweepFrom, null)) {
            sweepFrom = null;
            while (stored.hasNext()) {
                if (seen++ == MAX_SWEPT) {
                    sweepFrom = stored.peekNextKey();
                    break;
                }
                var agent = stored.next();
                var inMemory = agents.get(agent.key);
                if (inMemory != null && !inMemory.pending().isEmpty()) continue;
                var bucket = inMemory != null && inMemory.bucket() != null
                        ? inMemory.bucket()
                        : MirroredBucket.decode(agent.value);
                if (isFullAndIdle(agent.key, bucket, nowSeconds)) full.add(agent.key);
            }
        }
        for (var agentId : full) {
            var forgotten = agents.remove(agentId);
            if (forgotten != null) forgotten.markStored(); // or writing behind would bring it back
            store.delete(agentId);
        }
    }

    private boolean isFullAndIdle(String agentId, MirroredBucket bucket, double nowSeconds) {
        if (bucket.refillUntold()) return false; // full, but Redis may hold less
        if (nowSeconds - bucket.bucket().lastRefillSeconds() < IDLE_SECONDS) return false;
        var limit = limits.apply(agentId);
        return TokenBucket.refill(bucket.bucket(), limit, nowSeconds).tokens() >= limit.capacityTokens();
    }
}
