package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.BucketClock;
import io.tollgate.failover.CallBreaker;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.RedisCalls;
import io.tollgate.redis.RedisFailures;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResults;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The buckets in Redis as the pipeline sees them: called in chunks under the breaker, never waiting and never throwing.
 * Thread-safe; one for all stream threads.
 */
public final class RedisGateway implements AutoCloseable {
    /**
     * The first calls of a process may take longer, because the process is cold, not Redis. Otherwise a restart would
     * decide on mirrors that are slightly older than the crash.
     */
    private static final int COLD_CALLS = 200;

    /** Together with other delays, no request waits for more than a second. */
    private static final Duration COLD_TIMEOUT = Duration.ofMillis(700);

    private final AtomicInteger coldCalls;
    private final RedisCalls redis;
    private final BiFunction<String, BucketKind, CallBreaker> breakers;
    private final Duration timeout;
    private final @Nullable RedisBreaker breaker;
    private final TaskTime time;
    private final PipelineMetrics metrics;

    /**
     * Connects if Redis is there; otherwise keeps trying.
     *
     * @param redis is closed with this
     */
    public static RedisGateway start(RedisBuckets redis, Duration timeout, PipelineMetrics metrics) {
        var breaker = RedisBreaker.start(redis, timeout);
        return new RedisGateway(redis, breaker::of, timeout, breaker, metrics, TaskTime.SYSTEM, COLD_CALLS);
    }

    /**
     * For simulations: with given breakers and a given time.
     *
     * @param breakers return the breaker of the node that holds the agent's buckets
     * @param coldCalls the number of calls that may take longer
     */
    RedisGateway(
            RedisCalls redis,
            BiFunction<String, BucketKind, CallBreaker> breakers,
            Duration timeout,
            @Nullable RedisBreaker breaker,
            PipelineMetrics metrics,
            TaskTime time,
            int coldCalls) {
        this.coldCalls = new AtomicInteger(coldCalls);
        this.redis = redis;
        this.breakers = breakers;
        this.timeout = timeout;
        this.breaker = breaker;
        this.time = time;
        this.metrics = metrics;
    }

    /** Returns whether to ask Redis for these buckets now. */
    boolean inUse(AgentState buckets) {
        return inUse(buckets.agentId(), buckets.kind());
    }

    /** As above, for buckets that need not be in memory. */
    boolean inUse(String agentId, BucketKind kind) {
        return breakers.apply(agentId, kind).isClosed();
    }

    private CallBreaker node(AgentState buckets) {
        return breakers.apply(buckets.agentId(), buckets.kind());
    }

    /** Returns the clock of the node that holds these buckets: another node's clock may be wrong. */
    BucketClock clock(String agentId, BucketKind kind) {
        return breakers.apply(agentId, kind).clock();
    }

    /** Splits requests by the node that answers them: a failing node must not affect the agents of others. */
    <T> Collection<List<T>> byNode(List<T> asks, Function<T, AgentState> buckets) {
        if (!redis.isCluster()) return List.of(asks);
        return asks.stream()
                .collect(
                        Collectors.groupingBy(ask -> node(buckets.apply(ask)), LinkedHashMap::new, Collectors.toList()))
                .values();
    }

    /** Sends one call for agents of one node. Its breaker counts it once, however many requests are in it. */
    RedisCall send(List<SpendRequest> spends) {
        return send(spends, redis::spend);
    }

    /** Asks for the answer to this spend without charging or writing anything. Its breaker counts it like a call. */
    RedisCall recall(SpendRequest spend) {
        return send(List.of(spend), spends -> redis.look(spends.get(0)));
    }

    private RedisCall send(
            List<SpendRequest> spends, Function<List<SpendRequest>, CompletableFuture<SpendResults>> sending) {
        var node = breakers.apply(spends.get(0).agentId(), spends.get(0).kind());
        long start = time.nanoTime();
        boolean cold = coldCalls.get() > 0 && coldCalls.decrementAndGet() >= 0;
        long timeoutNanos = (cold && COLD_TIMEOUT.compareTo(timeout) > 0 ? COLD_TIMEOUT : timeout).toNanos();
        var call = sending.apply(spends);
        var timely = time.within(call.copy(), timeoutNanos);
        timely.whenComplete((answers, failure) -> {
            long elapsed = time.nanoTime() - start;
            if (failure == null) {
                node.answered(cold ? 0 : elapsed);
                node.clock().follow(answers.clockMicros());
                metrics.redisAnswered(elapsed, spends.size());
            } else {
                node.failed(elapsed, failure);
                if (cold) {
                    coldCalls.set(0);
                    node.open();
                }
                metrics.redisFailed(RedisFailures.isTimeout(failure));
            }
        });
        return new RedisCall(timely, start + timeoutNanos, time);
    }

    /**
     * Returns the buckets as they would continue with the copy in this spend, which has no charges. Within the
     * breaker's time limit.
     */
    CompletableFuture<AgentBuckets> look(SpendRequest spend) {
        var held =
                redis.look(spend).thenApply(answers -> answers.answers().get(0).buckets());
        return time.within(held, timeout.toNanos());
    }

    /** Returns the breaker, for metrics and health. */
    public RedisBreaker breaker() {
        return Objects.requireNonNull(breaker);
    }

    @Override
    public void close() {
        if (breaker != null) breaker.close();
        redis.close();
    }
}
