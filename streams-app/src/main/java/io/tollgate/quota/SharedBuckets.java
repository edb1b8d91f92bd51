package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Terms;
import io.tollgate.failover.NodeBreaker;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.Spend;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The buckets in Redis as the pipeline sees them: called in chunks under the breaker, never waiting and never throwing.
 * Thread-safe; one for all stream threads.
 */
public final class SharedBuckets implements AutoCloseable {
    /**
     * The first calls of a process are slow because it is cold, not because Redis is: they may take longer. Without, a restart
     * would decide on mirrors that are a little older than the crash.
     */
    private static final int COLD_CALLS = 200;

    /** With what else takes time, no request waits for more than a second. */
    private static final Duration COLD_TIMEOUT = Duration.ofMillis(800);

    private final AtomicInteger coldCalls = new AtomicInteger(COLD_CALLS);
    private final RedisBuckets redis;
    private final RedisBreaker breaker;
    private final BucketClock clock;
    private final PipelineMetrics metrics;

    /**
     * Connects if Redis is there; goes on looking for it otherwise.
     *
     * @param redis is closed with this
     * @param clock follows the clock of Redis from now on
     */
    public static SharedBuckets start(
            RedisBuckets redis, Duration timeout, BucketClock clock, PipelineMetrics metrics) {
        return new SharedBuckets(redis, RedisBreaker.start(redis, timeout), clock, metrics);
    }

    private SharedBuckets(RedisBuckets redis, RedisBreaker breaker, BucketClock clock, PipelineMetrics metrics) {
        this.redis = redis;
        this.breaker = breaker;
        this.clock = clock;
        this.metrics = metrics;
    }

    /** Returns whether Redis is to be asked for these buckets now. */
    boolean inUse(AgentMirror buckets) {
        return inUse(buckets.agent().id(), buckets.kept());
    }

    boolean inUse(String agentId, Spend.Kept kept) {
        return breaker.of(agentId, kept).isClosed();
    }

    /** Splits what is to be sent by the node that will answer: one that fails must not take the agents of others along. */
    <T> Collection<Map<AgentMirror, T>> byNode(Map<AgentMirror, T> requests) {
        if (!redis.isCluster()) return List.of(requests);
        var parts = new LinkedHashMap<NodeBreaker, Map<AgentMirror, T>>();
        requests.forEach((buckets, charged) -> parts.computeIfAbsent(
                        breaker.of(buckets.agent().id(), buckets.kept()), node -> new LinkedHashMap<>())
                .put(buckets, charged));
        return parts.values();
    }

    /** Sends one call, for agents of one node; its breaker hears of it once, however many requests are in it. */
    Chunk send(List<Spend> spends) {
        var node = breaker.of(spends.get(0).agentId(), spends.get(0).kept());
        long start = System.nanoTime();
        boolean cold = coldCalls.get() > 0 && coldCalls.decrementAndGet() >= 0;
        long timeoutNanos =
                (cold && COLD_TIMEOUT.compareTo(breaker.timeout()) > 0 ? COLD_TIMEOUT : breaker.timeout()).toNanos();
        var call = redis.spend(spends);
        var timely = call.copy().orTimeout(timeoutNanos, TimeUnit.NANOSECONDS);
        timely.whenComplete((answers, failure) -> {
            long elapsed = System.nanoTime() - start;
            if (failure == null) {
                node.answered(cold ? 0 : elapsed);
                clock.follow(answers.clockMicros());
                metrics.redisAnswered(elapsed, spends.size());
            } else {
                node.failed(elapsed, failure);
                if (cold) {
                    coldCalls.set(0);
                    node.open();
                }
                metrics.redisFailed(failure instanceof TimeoutException);
            }
        });
        return new Chunk(timely, start + timeoutNanos);
    }

    /** Returns the buckets as they would continue with the copy in this spend, which has no charges. Within the breaker's time limit. */
    CompletableFuture<AgentBuckets> look(Spend spend) {
        return redis.look(spend).orTimeout(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Fills an agent's buckets in Redis. Within the breaker's time limit. */
    CompletableFuture<Void> fill(String agentId, Spend.Kept kept, Terms terms) {
        return redis.reset(agentId, kept, terms)
                .toCompletableFuture()
                .orTimeout(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Returns the breaker, for metrics and health. */
    public RedisBreaker breaker() {
        return breaker;
    }

    @Override
    public void close() {
        breaker.close();
        redis.close();
    }
}
