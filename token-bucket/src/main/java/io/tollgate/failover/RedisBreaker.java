package io.tollgate.failover;

import io.lettuce.core.LettuceVersion;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.RedisFailures;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides whether Redis is asked at all: one {@link NodeBreaker} for each node that holds keys, a single one unless
 * Redis is a cluster. So a lost node moves only its own agents to their local buckets. Thread-safe.
 */
public final class RedisBreaker implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RedisBreaker.class);

    /** The shortest time between two searches for the node of an agent without a known one. */
    private static final long LOOK_AGAIN_NANOS = 100_000_000;

    /** Whether Redis is asked. */
    public enum Status {
        /** It is. */
        CLOSED,
        /** No: Redis was away or slow, or has not been reached yet. */
        OPEN,
        /** Not yet: one probe has succeeded, two more must. */
        HALF_OPEN
    }

    private final RedisBuckets redis;
    private final Duration timeout;
    private final Map<String, NodeBreaker> nodes = new ConcurrentHashMap<>();
    /** The breaker of keys without a node: never probed, never closed. */
    private final NodeBreaker nobody;

    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    private final Map<Status, LongAdder> transitions =
            Map.of(Status.CLOSED, new LongAdder(), Status.OPEN, new LongAdder(), Status.HALF_OPEN, new LongAdder());
    private volatile Instant since = Instant.now();
    private volatile long lookedNanos = System.nanoTime() - LOOK_AGAIN_NANOS;
    private boolean ended;

    /**
     * Returns a breaker that is closed for each node that answers within a second, and open otherwise. From then on it
     * probes by itself.
     *
     * @param timeout the longest wait for one call; a call is slow from three quarters of it
     * @throws IllegalStateException if Redis can never be used because the class path lacks what this library needs
     */
    public static RedisBreaker start(RedisBuckets redis, Duration timeout) {
        var breaker = new RedisBreaker(redis, timeout);
        breaker.follow();
        breaker.nodes.values().forEach(NodeBreaker::awaitFirstProbe); // connects, which detects a cluster
        breaker.nodes.values().forEach(NodeBreaker::awaitFirstProbe);
        breaker.nodes.values().forEach(node -> {
            var missing = node.unusable();
            if (missing == null) return;
            breaker.close();
            throw new IllegalStateException(
                    "Redis cannot be used with the libraries on the class path: needed are Lettuce 6.6 or newer and the netty that it"
                            + " was built with, but there is Lettuce " + LettuceVersion.getVersion() + ", and "
                            + RedisFailures.inWords(missing),
                    missing);
        });
        return breaker;
    }

    private RedisBreaker(RedisBuckets redis, Duration timeout) {
        this.redis = redis;
        this.timeout = timeout;
        nobody = new NodeBreaker(this, redis, RedisBuckets.ONLY_NODE, timeout);
    }

    /** Adds new nodes, and removes those that no longer hold keys. */
    synchronized void follow() {
        if (ended) return;
        var now = redis.nodes();
        for (var node : now) {
            nodes.computeIfAbsent(node, name -> {
                var met = new NodeBreaker(this, redis, name, timeout);
                met.clock().follow(nobody.clock().getAsLong()); // a host's clock may have jumped since the start
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

    /** Returns the breaker of the node that holds the agent's buckets; a single server has only one. */
    public NodeBreaker of(String agentId, BucketKind kind) {
        var node = nodes.get(redis.nodeOf(agentId, kind));
        return node != null ? node : ofUnknown(agentId, kind);
    }

    private NodeBreaker ofUnknown(String agentId, BucketKind kind) {
        if (System.nanoTime() - lookedNanos > LOOK_AGAIN_NANOS) {
            lookedNanos = System.nanoTime();
            follow();
        }
        return nodes.getOrDefault(redis.nodeOf(agentId, kind), nobody);
    }

    void changed(Status to, boolean whetherAsked) {
        Objects.requireNonNull(transitions.get(to)).increment();
        if (whetherAsked) since = Instant.now();
        if (whetherAsked) reasonChanged();
    }

    void reasonChanged() {
        for (var listener : listeners) {
            try {
                listener.run();
            } catch (RuntimeException theirs) {
                log.error("a listener failed", theirs);
            }
        }
    }

    /** Runs the listener whenever {@link #sharing} has changed, on a thread that must not wait. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** Applies the time of a node to agents without a known node. */
    void follow(long clockMicros) {
        nobody.clock().follow(clockMicros);
    }

    /** Returns whether decisions use the shared buckets, with the time and the reason if not. */
    public SharingStatus sharing() {
        var reasons = new TreeMap<String, String>();
        var latest = Instant.EPOCH;
        var all = List.copyOf(nodes.values());
        for (var node : all) {
            var away = node.away().orElse(null);
            if (away == null) continue;
            reasons.put(node.name(), away.reason());
            if (away.since().isAfter(latest)) latest = away.since();
        }
        if (all.isEmpty()) return new SharingStatus.Local(since, "no node of the cluster holds keys");
        if (reasons.isEmpty()) return new SharingStatus.Shared(since);
        if (reasons.size() < all.size()) return new SharingStatus.PartlyShared(latest, reasons);
        var reason = reasons.size() == 1
                ? reasons.firstEntry().getValue()
                : reasons.entrySet().stream()
                        .map(node -> node.getKey() + ": " + node.getValue())
                        .collect(Collectors.joining("; "));
        return new SharingStatus.Local(latest, reason);
    }

    /** Returns whether every node is in use. */
    public boolean isClosed() {
        return !nodes.isEmpty() && count(Status.CLOSED) == nodes.size();
    }

    /** Returns the time of the last change of any node. */
    public Instant since() {
        return since;
    }

    /** Returns the number of nodes with this status. */
    public long count(Status status) {
        return nodes.values().stream().filter(node -> node.status() == status).count();
    }

    /** Returns the number of changes to this status; the initial open state counts as one. */
    public long transitionsTo(Status status) {
        return Objects.requireNonNull(transitions.get(status)).sum();
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
