package io.tollgate.failover;

import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.Spend;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * Decides whether Redis is asked at all: one {@link NodeBreaker} for each node that holds keys, a single one unless Redis is a
 * cluster. So a node that is lost takes its own agents to their local buckets, and no others. Thread-safe.
 */
public final class RedisBreaker implements AutoCloseable {
    /** How often the nodes are looked at again for an agent whose node is unknown. */
    private static final long LOOK_AGAIN_NANOS = 100_000_000;

    /** Whether Redis is asked. */
    public enum Status {
        /** It is. */
        CLOSED,
        /** It is not: it was away or slow, or has not been reached yet. */
        OPEN,
        /** It is not yet: a probe was answered, two more must be. */
        HALF_OPEN
    }

    private final RedisBuckets redis;
    private final Duration timeout;
    private final Map<String, NodeBreaker> nodes = new ConcurrentHashMap<>();
    /** For keys that nobody holds: never probed, never closed. */
    private final NodeBreaker nobody;

    private final Map<Status, LongAdder> transitions =
            Map.of(Status.CLOSED, new LongAdder(), Status.OPEN, new LongAdder(), Status.HALF_OPEN, new LongAdder());
    private volatile Instant since = Instant.now();
    private volatile long lookedNanos = System.nanoTime() - LOOK_AGAIN_NANOS;
    private boolean ended;

    /**
     * Returns a breaker that is closed for each node that answers within a second, and open otherwise; from then on it finds out by
     * itself.
     *
     * @param timeout the longest wait for one call; three quarters of it are slow
     */
    public static RedisBreaker start(RedisBuckets redis, Duration timeout) {
        var breaker = new RedisBreaker(redis, timeout);
        breaker.follow();
        breaker.nodes
                .values()
                .forEach(NodeBreaker::awaitFirstProbe); // connects; only then is a cluster known to be one
        breaker.nodes.values().forEach(NodeBreaker::awaitFirstProbe);
        return breaker;
    }

    private RedisBreaker(RedisBuckets redis, Duration timeout) {
        this.redis = redis;
        this.timeout = timeout;
        nobody = new NodeBreaker(this, redis, RedisBuckets.ONLY_NODE, timeout);
    }

    /** Takes up nodes that have come, and leaves those that hold nothing any more. */
    synchronized void follow() {
        if (ended) return;
        var now = redis.nodes();
        for (var node : now) {
            nodes.computeIfAbsent(node, name -> {
                var met = new NodeBreaker(this, redis, name, timeout);
                met.start();
                return met;
            });
        }
        nodes.entrySet().removeIf(known -> {
            if (now.contains(known.getKey())) return false;
            known.getValue().close();
            return true;
        });
    }

    /** Returns the breaker of the node that holds the agent's buckets; on a single server always the same. */
    public NodeBreaker of(String agentId, Spend.Kept kept) {
        var node = nodes.get(redis.nodeOf(agentId, kept));
        return node != null ? node : ofUnknown(agentId, kept);
    }

    private NodeBreaker ofUnknown(String agentId, Spend.Kept kept) {
        if (System.nanoTime() - lookedNanos > LOOK_AGAIN_NANOS) {
            lookedNanos = System.nanoTime();
            follow();
        }
        return nodes.getOrDefault(redis.nodeOf(agentId, kept), nobody);
    }

    void changed(Status to, boolean whetherAsked) {
        transitions.get(to).increment();
        if (whetherAsked) since = Instant.now();
    }

    /** Returns whether every node is to be asked now. */
    public boolean isClosed() {
        return !nodes.isEmpty() && count(Status.CLOSED) == nodes.size();
    }

    /** Returns since when all nodes stand as they do. */
    public Instant since() {
        return since;
    }

    /** Returns how many nodes stand so. */
    public long count(Status status) {
        return nodes.values().stream().filter(node -> node.status() == status).count();
    }

    /** Returns how often a node has changed to this; the open state that it starts in counts as a change. */
    public long transitionsTo(Status status) {
        return transitions.get(status).sum();
    }

    /** Returns the longest wait for one call. */
    public Duration timeout() {
        return timeout;
    }

    @Override
    public synchronized void close() {
        ended = true;
        nobody.close();
        nodes.values().forEach(NodeBreaker::close);
    }
}
