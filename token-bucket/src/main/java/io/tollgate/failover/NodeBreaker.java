package io.tollgate.failover;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.lettuce.core.RedisException;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides whether one node of Redis is asked at all. Thread-safe.
 *
 * <p>Closed: calls go to Redis and are recorded. Open: nothing waits for Redis; a thread of its own probes it, by a write, until
 * it answers. So no request ever pays for finding out whether a frozen Redis has come back, and no decision depends on the wall
 * clock, which resilience4j would use to end the open state.
 */
public final class NodeBreaker implements CallBreaker {
    private static final Logger log = LoggerFactory.getLogger(RedisBreaker.class);

    /** How often an absent Redis is probed: back within this and a probe's own time. */
    private static final Duration PROBE_INTERVAL = Duration.ofMillis(500);

    private static final int WINDOW_CALLS = 10;
    private static final int MOST_CALLS_UNTIL_OPEN = 5;

    /** What all calls until the breaker opens may take together: no request is delayed by more, and that only once. */
    private static final Duration MOST_DELAY_UNTIL_OPEN = Duration.ofSeconds(1);

    private static final int PROBES_TO_CLOSE = 2;

    private final RedisBreaker all;
    private final RedisBuckets redis;
    private final String node;
    private final Duration timeout;
    private final CircuitBreaker breaker;
    private final CompletableFuture<Void> firstProbe = new CompletableFuture<>();
    private final ScheduledExecutorService prober = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "redis-probe");
        thread.setDaemon(true);
        return thread;
    });

    NodeBreaker(RedisBreaker all, RedisBuckets redis, String node, Duration timeout) {
        this.all = all;
        this.redis = redis;
        this.node = node;
        this.timeout = timeout;
        var config = CircuitBreakerConfig.custom()
                .slidingWindowType(SlidingWindowType.COUNT_BASED)
                .slidingWindowSize(WINDOW_CALLS)
                .minimumNumberOfCalls(callsUntilOpen(timeout))
                .failureRateThreshold(50)
                .slowCallDurationThreshold(timeout.multipliedBy(3).dividedBy(4))
                .slowCallRateThreshold(80)
                .permittedNumberOfCallsInHalfOpenState(PROBES_TO_CLOSE)
                .currentTimestampFunction(clock -> System.nanoTime(), TimeUnit.NANOSECONDS)
                .build();
        this.breaker = CircuitBreaker.of("redis", config);
        breaker.transitionToForcedOpenState();
        breaker.getEventPublisher().onStateTransition(event -> {
            var to = event.getStateTransition().getToState();
            var from = event.getStateTransition().getFromState();
            all.changed(status(to), to == State.CLOSED || from == State.CLOSED);
            if (to == State.CLOSED) log.info("{} answers: decisions use the shared buckets", redis.nameOf(node));
            // Once: a probe that fails after another was answered opens it anew, and changes nothing for anybody.
            if (to == State.OPEN && from == State.CLOSED) {
                log.warn("{} is away or slow: decisions use the local buckets until it is back", redis.nameOf(node));
            }
        });
    }

    /** Begins to probe, on a thread of its own. */
    void start() {
        all.changed(RedisBreaker.Status.OPEN, true);
        prober.scheduleWithFixedDelay(this::probe, 0, PROBE_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Waits until it was probed once. */
    void awaitFirstProbe() {
        firstProbe.join();
    }

    private static int callsUntilOpen(Duration timeout) {
        long calls = MOST_DELAY_UNTIL_OPEN.dividedBy(timeout);
        return (int) Math.max(1, Math.min(MOST_CALLS_UNTIL_OPEN, calls));
    }

    @Override
    public boolean isClosed() {
        return breaker.getState() == State.CLOSED;
    }

    /** Returns whether Redis is asked now. */
    RedisBreaker.Status status() {
        return status(breaker.getState());
    }

    private static RedisBreaker.Status status(State state) {
        return switch (state) {
            case CLOSED -> RedisBreaker.Status.CLOSED;
            case HALF_OPEN -> RedisBreaker.Status.HALF_OPEN;
            default -> RedisBreaker.Status.OPEN;
        };
    }

    @Override
    public void answered(long elapsedNanos) {
        if (isClosed()) breaker.onSuccess(elapsedNanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void failed(long elapsedNanos, Throwable cause) {
        if (!isClosed()) return;
        log.debug("call to Redis failed", cause);
        breaker.onError(elapsedNanos, TimeUnit.NANOSECONDS, cause);
    }

    @Override
    public void open() {
        if (isClosed()) breaker.transitionToOpenState();
    }

    private void probe() {
        if (isClosed()) return;
        try {
            redis.probe(node, first() ? Duration.ofSeconds(1) : timeout);
            if (!redis.nodes().contains(node)) return; // holds nothing any more, or Redis is found to be a cluster
            if (breaker.getState() != State.HALF_OPEN) breaker.transitionToHalfOpenState();
            for (int i = 0; i < PROBES_TO_CLOSE && breaker.tryAcquirePermission(); i++) {
                long start = System.nanoTime();
                redis.probe(node, timeout);
                breaker.onSuccess(System.nanoTime() - start, TimeUnit.NANOSECONDS);
            }
        } catch (RedisException stillAway) {
            if (breaker.getState() == State.FORCED_OPEN) {
                log.warn(
                        "{} cannot be used: decisions use the local buckets until it can: {}",
                        redis.nameOf(node),
                        stillAway.getMessage());
            }
            if (breaker.getState() != State.OPEN) breaker.transitionToOpenState();
            log.debug("Redis is still away", stillAway);
        } catch (RuntimeException unexpected) {
            // An exception that escapes would end the schedule, and with it every hope of Redis; a breaker left half
            // open would wait for ever for the probe that did not end.
            log.error("probing Redis failed", unexpected);
            if (breaker.getState() != State.OPEN) breaker.transitionToOpenState();
        } finally {
            all.follow(); // first: whoever waits for the probe wants to know which nodes there are
            firstProbe.complete(null);
        }
    }

    private boolean first() {
        return breaker.getState() == State.FORCED_OPEN;
    }

    /** Probes no more. */
    void close() {
        prober.shutdownNow();
        firstProbe.complete(null);
    }
}
