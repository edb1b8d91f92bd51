package io.tollgate.failover;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.github.resilience4j.circuitbreaker.event.CircuitBreakerOnStateTransitionEvent;
import io.lettuce.core.RedisException;
import io.tollgate.bucket.BucketClock;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.RedisFailures;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides whether one node of Redis is asked at all. Thread-safe.
 *
 * <p>Closed: calls go to Redis and are recorded. Open: no call waits for Redis, and a separate thread probes it with a
 * write until it answers. So no request is delayed by a check whether a frozen Redis is back, and no decision depends
 * on the wall clock, by which resilience4j would end the open state.
 */
public final class NodeBreaker implements RedisNode {
    private static final Logger log = LoggerFactory.getLogger(RedisBreaker.class);

    /** The interval of probes of an absent Redis. Its return is noticed within this time and that of one probe. */
    private static final Duration PROBE_INTERVAL = Duration.ofMillis(500);

    private static final int WINDOW_CALLS = 10;
    private static final int MOST_CALLS_UNTIL_OPEN = 5;

    /**
     * The longest time for all calls together until the breaker opens. No request is delayed by more, and only once.
     */
    private static final Duration MOST_DELAY_UNTIL_OPEN = Duration.ofSeconds(1);

    private static final int PROBES_TO_CLOSE = 2;

    /** The most reasons logged in one outage. */
    private static final int MAX_REASONS = 20;

    /** The start of an outage and its reason. */
    record Away(Instant since, String reason) {}

    private final RedisBreaker all;
    private final RedisBuckets redis;
    private final String node;
    private final Duration timeout;
    private final CircuitBreaker breaker;
    private final BucketClock clock = new BucketClock();
    private final AtomicLong outages = new AtomicLong();
    private final CompletableFuture<Void> firstProbe = new CompletableFuture<>();
    private final ScheduledExecutorService prober = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "redis-probe");
        thread.setDaemon(true);
        return thread;
    });

    private final Set<String> reasonsLogged = new HashSet<>(); // of this outage; guarded by this
    private volatile @Nullable Away away = new Away(Instant.now(), "it has not been reached yet");
    private volatile @Nullable Throwable lastFailure;
    private volatile boolean failing;
    private volatile boolean slow;
    private volatile @Nullable LinkageError unusable;

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
                .slowCallDurationThreshold(slowest(timeout))
                .slowCallRateThreshold(80)
                .permittedNumberOfCallsInHalfOpenState(PROBES_TO_CLOSE)
                .currentTimestampFunction(clock -> System.nanoTime(), TimeUnit.NANOSECONDS)
                .build();
        this.breaker = CircuitBreaker.of("redis", config);
        breaker.transitionToForcedOpenState();
        // Both are logged before the transition.
        breaker.getEventPublisher().onFailureRateExceeded(event -> failing = true);
        breaker.getEventPublisher().onSlowCallRateExceeded(event -> slow = true);
        breaker.getEventPublisher().onStateTransition(this::changed);
    }

    private static Duration slowest(Duration timeout) {
        return timeout.multipliedBy(3).dividedBy(4);
    }

    private void changed(CircuitBreakerOnStateTransitionEvent event) {
        var to = event.getStateTransition().getToState();
        var from = event.getStateTransition().getFromState();
        if (to == State.CLOSED) back();
        // Once only: a failed probe after a successful one opens the breaker again without any effect.
        if (to == State.OPEN && from == State.CLOSED) {
            outages.incrementAndGet();
            var failure = lastFailure;
            away(
                    failure == null || slow && !failing
                            ? "answers take longer than " + slowest(timeout).toMillis() + " ms"
                            : RedisFailures.inWords(failure));
        }
        all.changed(status(to), to == State.CLOSED || from == State.CLOSED);
    }

    private synchronized void back() {
        away = null;
        lastFailure = null;
        failing = false;
        slow = false;
        reasonsLogged.clear();
        log.info("{} answers: decisions use the shared buckets", redis.nameOf(node));
    }

    /** Notes why the node is not used, and logs each reason once; returns whether it was logged. */
    private synchronized boolean away(String reason) {
        var before = away;
        if (before == null) away = new Away(Instant.now(), reason);
        else if (!before.reason().equals(reason)) away = new Away(before.since(), reason);
        boolean news = reasonsLogged.size() < MAX_REASONS && reasonsLogged.add(reason);
        if (news) {
            log.warn("{} cannot be used: decisions use the local buckets until it can: {}", redis.nameOf(node), reason);
        }
        return news;
    }

    /** Begins to probe, on a separate thread. */
    void start() {
        all.changed(RedisBreaker.Status.OPEN, true);
        prober.scheduleWithFixedDelay(this::probe, 0, PROBE_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Waits for the first probe. */
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

    /** Returns the state of the breaker. */
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

    /** Returns the outage; empty while the node is used. */
    Optional<Away> away() {
        return Optional.ofNullable(away);
    }

    /** Returns the node's address, for messages. */
    String name() {
        return redis.nameOf(node);
    }

    /** Returns the class path problem that makes this node unusable forever; null if there is none. */
    @Nullable
    LinkageError unusable() {
        return unusable;
    }

    @Override
    public BucketClock clock() {
        return clock;
    }

    @Override
    public long outages() {
        return outages.get();
    }

    @Override
    public void answered(long elapsedNanos) {
        if (isClosed()) breaker.onSuccess(elapsedNanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void failed(long elapsedNanos, Throwable cause) {
        if (!isClosed()) return;
        log.debug("call to Redis failed", cause);
        lastFailure = cause;
        breaker.onError(elapsedNanos, TimeUnit.NANOSECONDS, cause);
    }

    @Override
    public void open() {
        if (isClosed()) breaker.transitionToOpenState();
    }

    /** Probes once. Never throws: an escaping error would end the schedule, and Redis would stay unused. */
    private void probe() {
        if (isClosed()) return;
        try {
            probeUntilClosed();
        } catch (RedisException stillAway) {
            log.debug("Redis is still away", stillAway);
            stillAway(stillAway);
        } catch (Throwable unexpected) {
            if (unexpected instanceof LinkageError missing) unusable = missing;
            if (stillAway(unexpected)) log.error("probing Redis failed", unexpected);
        }
        try {
            all.follow(); // first: callers that wait for the probe need the list of nodes
        } catch (Throwable unexpected) {
            log.error("looking for the nodes of Redis failed", unexpected);
        }
        firstProbe.complete(null);
    }

    private void probeUntilClosed() {
        long clockMicros = redis.probe(node, first() ? Duration.ofSeconds(1) : timeout);
        if (!redis.nodes().contains(node)) return; // no longer holds keys, or Redis turned out to be a cluster
        all.follow(clockMicros);
        clock.follow(clockMicros);
        if (breaker.getState() != State.HALF_OPEN) breaker.transitionToHalfOpenState();
        for (int i = 0; i < PROBES_TO_CLOSE && breaker.tryAcquirePermission(); i++) {
            long start = System.nanoTime();
            clock.follow(redis.probe(node, timeout));
            breaker.onSuccess(System.nanoTime() - start, TimeUnit.NANOSECONDS);
        }
    }

    /** Returns whether the reason is new. A breaker left half open would wait forever for the unfinished probe. */
    private boolean stillAway(Throwable failure) {
        boolean news = away(RedisFailures.inWords(failure));
        if (breaker.getState() != State.OPEN) breaker.transitionToOpenState();
        else if (news) all.reasonChanged();
        return news;
    }

    private boolean first() {
        return breaker.getState() == State.FORCED_OPEN;
    }

    /** Ends the probes. */
    void close() {
        prober.shutdownNow();
        firstProbe.complete(null);
    }
}
