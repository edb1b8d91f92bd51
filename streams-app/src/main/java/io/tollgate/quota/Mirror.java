package io.tollgate.quota;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.apache.kafka.streams.state.KeyValueStore;
import org.jspecify.annotations.Nullable;

/**
 * The buckets of one task's agents, in memory over the changelogged store {@code local-buckets}. Not thread-safe.
 *
 * <p>What is decided without Redis goes to the store at once, and with it into the transaction that commits the decision. What
 * Redis answered is written behind: Redis has it. Memory is bounded: {@value #MAX_IN_MEMORY} agents, the least recently seen go
 * to the store; a bucket that is full again is forgotten in both, because an absent bucket is a full one.
 */
final class Mirror {
    static final String STORE = "local-buckets";

    private static final int MAX_IN_MEMORY = 100_000;
    private static final int MAX_WRITTEN_BEHIND = 5_000;
    private static final int MAX_SWEPT = 2_000;
    /** How long a full bucket is kept after its last request: replays of uncommitted requests find their fence. */
    private static final double IDLE_SECONDS = 60;

    private static final class Held {
        MirroredBucket bucket;
        boolean stored;

        Held(MirroredBucket bucket, boolean stored) {
            this.bucket = bucket;
            this.stored = stored;
        }
    }

    private final KeyValueStore<String, byte[]> store;
    private final Function<String, Limit> limits;
    private final LinkedHashMap<String, Held> held = new LinkedHashMap<>(1024, 0.75f, true);
    private @Nullable String sweepFrom;

    Mirror(KeyValueStore<String, byte[]> store, Function<String, Limit> limits) {
        this.store = store;
        this.limits = limits;
    }

    /** Returns our copy; empty if there is none, which means a full bucket. */
    Optional<MirroredBucket> find(String agentId) {
        var inMemory = held.get(agentId);
        if (inMemory != null) return Optional.of(inMemory.bucket);
        byte[] encoded = store.get(agentId);
        if (encoded == null) return Optional.empty();
        var bucket = MirroredBucket.decode(encoded);
        hold(agentId, new Held(bucket, true));
        return Optional.of(bucket);
    }

    /** Keeps what was decided; at once in the store if Redis does not have it. */
    void keep(String agentId, MirroredBucket bucket) {
        if (bucket.decidedWithoutRedis()) store.put(agentId, bucket.encode());
        hold(agentId, new Held(bucket, bucket.decidedWithoutRedis()));
    }

    private void hold(String agentId, Held bucket) {
        held.put(agentId, bucket);
        if (held.size() <= MAX_IN_MEMORY) return;
        var eldest = held.entrySet().iterator();
        var entry = eldest.next();
        write(entry);
        eldest.remove();
    }

    /** Writes behind what Redis answered, least recently seen first, a bounded number of agents. */
    void writeBehind() {
        int written = 0;
        for (var entry : held.entrySet()) {
            if (entry.getValue().stored) continue;
            write(entry);
            if (++written == MAX_WRITTEN_BEHIND) return;
        }
    }

    private void write(Map.Entry<String, Held> entry) {
        var bucket = entry.getValue();
        if (bucket.stored) return;
        store.put(entry.getKey(), bucket.bucket.encode());
        bucket.stored = true;
    }

    /** Forgets buckets that are full and idle, a bounded number of agents; goes on next time where it stopped. */
    void sweep(double nowSeconds) {
        var full = new ArrayList<String>();
        int seen = 0;
        try (var agents = sweepFrom == null ? store.all() : store.range(sweepFrom, null)) {
            sweepFrom = null;
            while (agents.hasNext()) {
                if (seen++ == MAX_SWEPT) {
                    sweepFrom = agents.peekNextKey();
                    break;
                }
                var agent = agents.next();
                var inMemory = held.get(agent.key);
                var bucket = inMemory != null ? inMemory.bucket : MirroredBucket.decode(agent.value);
                if (isFullAndIdle(agent.key, bucket, nowSeconds)) full.add(agent.key);
            }
        }
        for (var agentId : full) {
            held.remove(agentId);
            store.delete(agentId);
        }
    }

    private boolean isFullAndIdle(String agentId, MirroredBucket bucket, double nowSeconds) {
        if (nowSeconds - bucket.bucket().lastRefillSeconds() < IDLE_SECONDS) return false;
        var limit = limits.apply(agentId);
        return TokenBucket.refill(bucket.bucket(), limit, nowSeconds).tokens() >= limit.capacityTokens();
    }
}
