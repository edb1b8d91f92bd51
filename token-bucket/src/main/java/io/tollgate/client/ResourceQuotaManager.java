package io.tollgate.client;

import io.lettuce.core.RedisURI;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.LocalBuckets;
import io.tollgate.env.RedisAddress;
import io.tollgate.failover.FailoverBuckets;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.failover.SharingStatus;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Limits for agents, enforced against the same buckets as the pipeline. Thread-safe.
 *
 * <p>With Redis the quota holds for all programs that share it. Without Redis, or while it is away, the quota holds for
 * this process: {@link #status} tells which, and the log tells each reason once.
 *
 * <p>The manager knows no policies. If the pipeline holds an agent to several limits, the manager shares the
 * <em>first</em> alone: it charges, refills, shows and resets that bucket by its own capacity and rate, and the other
 * limits neither refuse nor notice. Give it the first limit's numbers. With a smaller capacity it cuts the bucket at
 * each call, as the pipeline would; with another rate, the time since the last call of any program is credited by the
 * rate of the next caller.
 *
 * <p>A limit may also be full at the start of each period of a calendar:
 * {@code Limit.each(Period.MONTH, "Europe/Berlin", 5_000_000)}.
 *
 * <pre>{@code
 * try (var quota = ResourceQuotaManager.builder()
 *         .redis("redis://localhost:6379")
 *         .limit(new Limit(100, 10))
 *         .build()) {
 *     if (quota.tryAcquire("agent-7", 10)) callTheApi();
 * }
 * }</pre>
 */
public final class ResourceQuotaManager implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ResourceQuotaManager.class);
    private static final Duration USUAL_TIMEOUT = Duration.ofMillis(100);
    private static final Duration SHORTEST_TIMEOUT = Duration.ofMillis(1);
    private static final Duration LONGEST_TIMEOUT = Duration.ofSeconds(10);

    private final Buckets buckets;
    private final AgentLimits limits;
    private final Supplier<SharingStatus> status;
    private final AnswerThreads threads;
    private final Listeners listeners;
    private final QuotaFigures figures;
    private final List<AutoCloseable> meters = new ArrayList<>();
    private volatile boolean closed;

    private ResourceQuotaManager(Builder builder) {
        limits = new AgentLimits(builder.limits);
        threads = new AnswerThreads(builder.executor);
        listeners = new Listeners(builder.listeners, threads, this::status);
        figures = new QuotaFigures();
        var since = Instant.now();
        if (builder.redis == null) {
            buckets = new LocalBuckets(new BucketClock());
            status = () -> new SharingStatus.Local(since, "no Redis is configured");
            log.info("no Redis is configured: decisions use the buckets of this process");
        } else {
            var redis = new RedisBuckets(builder.redis);
            var breaker = start(redis, builder.timeout);
            breaker.onChange(listeners::statusChanged);
            buckets = new FailoverBuckets(redis, breaker, figures);
            status = breaker::sharing;
        }
    }

    private static RedisBreaker start(RedisBuckets redis, Duration timeout) {
        try {
            return RedisBreaker.start(redis, timeout);
        } catch (RuntimeException unusable) {
            redis.close();
            throw unusable;
        }
    }

    /** Returns a manager whose buckets are in this process alone, with this limit for everybody. */
    public static ResourceQuotaManager local(Limit limit) {
        return builder().limit(limit).build();
    }

    /**
     * Returns a manager whose buckets are in Redis, and in memory while Redis is away, with this limit for everybody.
     */
    public static ResourceQuotaManager shared(RedisURI uri, Limit limit) {
        return builder().redis(uri).limit(limit).build();
    }

    /**
     * Returns a manager with the settings of {@code REDIS_URL} (absent: local buckets), {@code REDIS_USERNAME}, {@code
     * REDIS_PASSWORD}, {@code TOKEN_BUCKET_SIZE} (default 1000 tokens) and {@code TOKEN_REFILL_RATE} (default 10 tokens
     * per second). A variable with {@code _FILE} appended names a file that holds one of the first three instead.
     *
     * @throws IllegalArgumentException if one of them is illegal; the message names it
     */
    public static ResourceQuotaManager fromEnvironment() {
        return from(System.getenv());
    }

    static ResourceQuotaManager from(Map<String, String> variables) {
        return builder().environment(variables).build();
    }

    /** Returns a builder without Redis and without a limit. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Spends from the agent's bucket if it covers the cost, without waiting for Redis.
     *
     * <p>The answer is never exceptional because of Redis: without Redis, the bucket of this process decides. An answer
     * that is not there at once is completed on the manager's executor, at the latest after the timeout, so dependent
     * code may block.
     *
     * @param tokens the cost, from 0 to 1e12
     * @throws IllegalArgumentException if the agent's id or the cost breaks its rule, or the agent has no limit
     * @throws IllegalStateException if the manager is closed
     */
    public CompletionStage<Decision> checkAndConsumeAsync(String agentId, double tokens) {
        var answer = spend(agentId, tokens);
        if (answer.isDone()) {
            answer.thenAccept(decision -> decided(agentId, tokens, decision));
            return answer;
        }
        var handedOver = new CompletableFuture<Decision>();
        answer.whenComplete((decision, failure) -> threads.handOver(() -> {
            if (failure != null) {
                handedOver.completeExceptionally(failure);
                return;
            }
            decided(agentId, tokens, decision);
            handedOver.complete(decision);
        }));
        return handedOver;
    }

    /** As {@link #checkAndConsumeAsync}; waits for the answer, at most for the timeout. */
    public Decision checkAndConsume(String agentId, double tokens) {
        var decision = spend(agentId, tokens).join();
        decided(agentId, tokens, decision);
        return decision;
    }

    /** Returns whether the tokens have been spent. Waits as {@link #checkAndConsume} does. */
    public boolean tryAcquire(String agentId, double tokens) {
        return checkAndConsume(agentId, tokens).isApproved();
    }

    /**
     * Reserves an estimate for what costs something that is only known afterwards. Waits as {@link #checkAndConsume}
     * does.
     *
     * <p>The estimate is charged now; {@link Reservation#settle} corrects it. If the process ends before, it stays
     * charged: there is no log and no deadline, as the pipeline's holds have.
     *
     * @param estimateTokens from 0 to 1e12
     * @return the reservation, of which {@link Reservation#isApproved} says whether there is one
     */
    public Reservation reserve(String agentId, double estimateTokens) {
        var decision = checkAndConsume(agentId, estimateTokens);
        return new Reservation(agentId, estimateTokens, decision, costTokens -> correct(agentId, costTokens));
    }

    private void correct(String agentId, double costTokens) {
        requireOpen();
        buckets.settle(agentId, limits.of(agentId), costTokens)
                .toCompletableFuture()
                .join();
    }

    /** Returns the tokens the agent has left, refilled to now. Waits at most for the timeout. */
    public double availableTokens(String agentId) {
        requireOpen();
        return buckets.look(agentId, limits.of(agentId))
                .toCompletableFuture()
                .join()
                .tokens();
    }

    /**
     * Fills the agent's bucket. Waits at most for the timeout.
     *
     * @return true: it is full for all programs that share it, or none does. False: Redis is away or did not answer in
     *     time, and the bucket is full in this process alone, until Redis is back with the level that it had; nothing
     *     is told to it later, so reset again then. A call that was only too slow may have filled it all the same
     */
    public boolean reset(String agentId) {
        requireOpen();
        return buckets.reset(agentId, limits.of(agentId)).toCompletableFuture().join();
    }

    /** Returns whether decisions use the buckets that all programs share, and if not: since when, and why. */
    public SharingStatus status() {
        return status.get();
    }

    private CompletableFuture<Decision> spend(String agentId, double tokens) {
        requireOpen();
        return buckets.spend(agentId, limits.of(agentId), tokens).toCompletableFuture();
    }

    private void requireOpen() {
        if (closed) throw new IllegalStateException("the quota manager is closed");
    }

    private void decided(String agentId, double tokens, Decision decision) {
        figures.decided(decision);
        listeners.decided(agentId, tokens, decision);
    }

    /** Disconnects; buckets in Redis stay there. Answers under way are given by this process. */
    @Override
    public void close() {
        closed = true;
        buckets.close();
        for (var one : meters) {
            try {
                one.close();
            } catch (Exception e) {
                log.warn("a meter was not removed", e);
            }
        }
        threads.close();
    }

    /** Builds a manager. Not thread-safe. */
    public static final class Builder {
        private final Map<String, Limit> limits = new HashMap<>();
        private final List<QuotaListener> listeners = new ArrayList<>();
        private Duration timeout = USUAL_TIMEOUT;
        private @Nullable RedisURI redis;
        private @Nullable Executor executor;
        private @Nullable MeterRegistry registry;
        private String[] meterTags = {};

        private Builder() {}

        /**
         * Keeps the buckets in the Redis at this address; without one they are in this process alone.
         *
         * @param url {@code redis://}, {@code rediss://}, {@code redis-sentinel://} or {@code redis-socket://}; a
         *     cluster is recognised
         * @throws IllegalArgumentException if it is not such an address
         */
        public Builder redis(String url) {
            try {
                return redis(RedisAddress.parse(url));
            } catch (IllegalArgumentException illegal) {
                throw new IllegalArgumentException("the address of Redis " + illegal.getMessage());
            }
        }

        /** As above, for settings that a URL cannot express. */
        public Builder redis(RedisURI uri) {
            if (uri.getHost() == null
                    && uri.getSocket() == null
                    && uri.getSentinels().isEmpty()) {
                throw new IllegalArgumentException("the address of Redis must have a host, a socket or Sentinels");
            }
            redis = uri;
            return this;
        }

        /** Gives this limit to every agent that no prefix matches. */
        public Builder limit(Limit limit) {
            return limit("", limit);
        }

        /**
         * Gives this limit to each agent whose id begins with the prefix; the longest prefix counts. Each agent has a
         * bucket of its own.
         */
        public Builder limit(String prefix, Limit limit) {
            limits.put(prefix, limit);
            return this;
        }

        /**
         * Waits for Redis no longer than this; afterwards the process's own bucket decides. The default is 100 ms.
         *
         * @throws IllegalArgumentException if it is not from 1 ms to 10 s
         */
        public Builder timeout(Duration timeout) {
            if (timeout.compareTo(SHORTEST_TIMEOUT) < 0 || timeout.compareTo(LONGEST_TIMEOUT) > 0) {
                throw new IllegalArgumentException("timeout must be from 1 ms to 10 s, but is " + timeout);
            }
            this.timeout = timeout;
            return this;
        }

        /**
         * Completes asynchronous answers and calls listeners on this executor instead of the manager's own threads. The
         * manager does not shut it down. It must not run tasks on the submitting thread, which reads Redis' answers.
         */
        public Builder executor(Executor executor) {
            this.executor = executor;
            return this;
        }

        /** Adds a listener; there may be several. */
        public Builder listener(QuotaListener listener) {
            listeners.add(listener);
            return this;
        }

        /**
         * Publishes {@code tollgate.quota.decisions}, {@code .redis.calls}, {@code .redis.failures} and {@code .shared}
         * in this registry, until the manager is closed.
         *
         * @param tags key, value, key, value …; managers that share a registry need different ones
         */
        public Builder meters(MeterRegistry registry, String... tags) {
            this.registry = registry;
            this.meterTags = tags.clone();
            return this;
        }

        /**
         * Takes address and limit from the environment, as {@link #fromEnvironment} does; earlier values stay if
         * it has none.
         */
        public Builder environment() {
            return environment(System.getenv());
        }

        Builder environment(Map<String, String> variables) {
            var env = ClientEnv.from(variables);
            env.redis().ifPresent(this::redis);
            return limit(env.limit());
        }

        /**
         * Connects if there is a Redis, which may be away at the moment.
         *
         * @throws IllegalArgumentException if there is no limit
         * @throws IllegalStateException if the class path holds a Lettuce that cannot be used
         */
        public ResourceQuotaManager build() {
            if (limits.isEmpty()) throw new IllegalArgumentException("there must be a limit");
            var built = new ResourceQuotaManager(this);
            if (registry != null) {
                built.meters.add(new QuotaMeters(registry, Tags.of(meterTags), built.figures, built.status));
            }
            built.listeners.statusChanged();
            return built;
        }
    }
}
