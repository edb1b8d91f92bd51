package io.tollgate.failover;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.lettuce.core.RedisException;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides whether Redis is asked at all. Thread-safe.
 *
 * <p>Closed: calls go to Redis and are recorded. Open: nothing waits for Redis; a thread of its own probes it, by a write, until
 * it answers. So no request ever pays for finding out whether a frozen Redis has come back, and no decision depends on the wall
 * clock, which resilience4j would use to end the open state.
 */
public final class RedisBreaker implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RedisBreaker.class);

    /** How often an absent Redis is probed: back within this and a probe's own time. */
    private static final Duration PROBE_INTERVAL = Duration.ofMillis(500);

    private static final int WINDOW_CALLS = 10;
    private static final int MOST_CALLS_UNTIL_OPEN = 5;

    /** What all calls until the breaker opens may take together: no request is delayed by more, and that only once. */
    private static final Duration MOST_DELAY_UNTIL_OPEN = Duration.ofSeconds(1);

    private static final int PROBES_TO_CLOSE = 2;

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
    private final CircuitBreaker breaker;
    private final Map<Status, LongAdder> transitions =
            Map.of(Status.CLOSED, new LongAdder(), Status.OPEN, new LongAdder(), Status.HALF_OPEN, new LongAdder());
    private final ScheduledExecutorService prober = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "redis-probe");
        thread.setDaemon(true);
        return thread;
    });

    /**
     * Returns a breaker that is closed if Redis answers within a second, and open otherwise; from then on it finds out by itself.
     *
     * @param timeout the longest wait for one call; three quarters of it are slow
     */
    public static RedisBreaker start(RedisBuckets redis, Duration timeout) {
        var breaker = new RedisBreaker(redis, timeout);
        breaker.breaker.transitionToForcedOpenState();
        breaker.probe();
        breaker.prober.scheduleWithFixedDelay(
                breaker::probe, PROBE_INTERVAL.toMillis(), PROBE_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
        return breaker;
    }

    /** Since when Redis is, or is not, asked. */
    private volatile Instant since = Instant.now();

    private RedisBreaker(RedisBuckets redis, Duration timeout) {
        this.redis = redis;
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
        breaker.getEventPublisher().onStateTransition(event -> {
            var to = event.getStateTransition().getToState();
            var from = event.getStateTransition().getFromState();
            if (to == State.CLOSED || from == State.CLOSED) since = Instant.now();
            transitions.get(status(to)).increment();
            if (to == State.CLOSED) log.info("Redis answers: decisions use the shared buckets");
            if (to == State.OPEN) log.warn("Redis is away or slow: decisions use the local buckets until it is back");
        });
    }

    private static int callsUntilOpen(Duration timeout) {
        long calls = MOST_DELAY_UNTIL_OPEN.dividedBy(timeout);
        return (int) Math.max(1, Math.min(MOST_CALLS_UNTIL_OPEN, calls));
    }

    /** Returns whether Redis is to be asked now. */
    public boolean isClosed() {
        return breaker.getState() == State.CLOSED;
    }

    /** Returns since when {@link #isClosed} says what it says. */
    public Instant since() {
        return since;
    }

    /** Returns whether Redis is asked now. */
    public Status status() {
        return status(breaker.getState());
    }

    /** Returns how often the breaker has changed to this; the open state that it starts in counts as a change. */
    public long transitionsTo(Status status) {
        return transitions.get(status).sum();
    }

    private static Status status(State state) {
        return switch (state) {
            case CLOSED -> Status.CLOSED;
            case HALF_OPEN -> Status.HALF_OPEN;
            default -> Status.OPEN;
        };
    }

    /** Notes a call that Redis answered. */
    public void answered(long elapsedNanos) {
        if (isClosed()) breaker.onSuccess(elapsedNanos, TimeUnit.NANOSECONDS);
    }

    /** Notes a call that failed, or had no answer in time. */
    public void failed(long elapsedNanos, Throwable cause) {
        if (!isClosed()) return;
        log.debug("call to Redis failed", cause);
        breaker.onError(elapsedNanos, TimeUnit.NANOSECONDS, cause);
    }

    /** Stops asking Redis at once, after a wait that nobody should have twice. */
    public void open() {
        if (isClosed()) breaker.transitionToOpenState();
    }

    /** Returns the longest wait for one call. */
    public Duration timeout() {
        return timeout;
    }

    private void probe() {
        if (isClosed()) return;
        try {
            redis.probe(first() ? Duration.ofSeconds(1) : timeout);
            if (breaker.getState() != State.HALF_OPEN) breaker.transitionToHalfOpenState();
            for (int i = 0; i < PROBES_TO_CLOSE && breaker.tryAcquirePermission(); i++) {
                long start = System.nanoTime();
                redis.probe(timeout);
                breaker.onSuccess(System.nanoTime() - start, TimeUnit.NANOSECONDS);
            }
        } catch (RedisException stillAway) {
            if (breaker.getState() == State.FORCED_OPEN) {
                log.warn(
                        "Redis cannot be used: decisions use the local buckets until it can: {}",
                        stillAway.getMessage());
            }
            if (breaker.getState() != State.OPEN) breaker.transitionToOpenState();
            log.debug("Redis is still away", stillAway);
        } catch (RuntimeException unexpected) {
            // An exception that escapes would end the schedule, and with it every hope of Redis; a breaker left half
            // open
            // would wait for ever for the probe that did not end.
            log.error("probing Redis failed", unexpected);
            if (breaker.getState() != State.OPEN) breaker.transitionToOpenState();
        }
    }

    private boolean first() {
        return breaker.getState() == State.FORCED_OPEN;
    }

    @Override
    public void close() {
        prober.shutdownNow();
    }
}
