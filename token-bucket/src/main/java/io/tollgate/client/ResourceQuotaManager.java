package io.tollgate.client;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.LocalBuckets;
import io.tollgate.failover.FailoverBuckets;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.DoublePredicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One limit for every agent, enforced against the same buckets as the pipeline. Thread-safe.
 *
 * <p>With Redis the quota holds for all programs that share it. Without, and while Redis is away, it holds for this process.
 *
 * <pre>{@code
 * try (var quota = ResourceQuotaManager.fromEnvironment()) {
 *     if (quota.tryAcquire("agent-7", 10)) callTheApi();
 * }
 * }</pre>
 */
public final class ResourceQuotaManager implements AutoCloseable {
    private static final Duration REDIS_TIMEOUT = Duration.ofMillis(100);
    private static final double DEFAULT_CAPACITY_TOKENS = 1000;
    private static final double DEFAULT_REFILL_TOKENS_PER_SECOND = 10;

    private static final Pattern DECIMAL = Pattern.compile("[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?");

    private final Buckets buckets;
    private final Limit limit;

    private ResourceQuotaManager(Buckets buckets, Limit limit) {
        this.buckets = buckets;
        this.limit = limit;
    }

    /** Returns a manager whose buckets are in this process alone. */
    public static ResourceQuotaManager local(Limit limit) {
        return new ResourceQuotaManager(new LocalBuckets(new BucketClock()), limit);
    }

    /** Returns a manager whose buckets are in Redis, and in memory while Redis is away; which it may be right now. */
    public static ResourceQuotaManager shared(RedisURI uri, Limit limit) {
        var redis = new RedisBuckets(uri);
        return new ResourceQuotaManager(new FailoverBuckets(redis, RedisBreaker.start(redis, REDIS_TIMEOUT)), limit);
    }

    /**
     * Returns a manager with the settings of {@code REDIS_URL} (absent: local buckets), {@code TOKEN_BUCKET_SIZE} (default
     * 1000 tokens) and {@code TOKEN_REFILL_RATE} (default 10 tokens per second).
     *
     * @throws IllegalArgumentException if one of them is not legal; the message names it
     */
    public static ResourceQuotaManager fromEnvironment() {
        return from(System.getenv());
    }

    static ResourceQuotaManager from(Map<String, String> env) {
        double capacity = number(
                env, "TOKEN_BUCKET_SIZE", DEFAULT_CAPACITY_TOKENS, "a number above 0 and at most 1e12", n -> n > 0);
        double refill = number(
                env, "TOKEN_REFILL_RATE", DEFAULT_REFILL_TOKENS_PER_SECOND, "a number from 0 to 1e12", n -> n >= 0);
        var limit = new Limit(capacity, refill);
        var url = env.get("REDIS_URL");
        return url == null || url.isBlank() ? local(limit) : shared(uri(url), limit);
    }

    private static double number(
            Map<String, String> env, String name, double otherwise, String rule, DoublePredicate least) {
        @Nullable String text = env.get(name);
        if (text == null || text.isBlank()) return otherwise;
        // Double.parseDouble alone takes NaN, 0x1p3 and 10d.
        double number = DECIMAL.matcher(text.strip()).matches() ? Double.parseDouble(text.strip()) : Double.NaN;
        if (!least.test(number) || number > Limit.LARGEST) {
            throw new IllegalArgumentException(name + " must be " + rule + ", but is \"" + text + "\"");
        }
        return number;
    }

    private static RedisURI uri(String url) {
        try {
            return RedisURI.create(url);
        } catch (IllegalArgumentException e) {
            // Without the value: it may hold a password.
            throw new IllegalArgumentException(
                    "REDIS_URL must be a redis://, rediss://, redis-sentinel:// or redis-socket:// address");
        }
    }

    /**
     * Spends from the agent's bucket if it covers the cost, without waiting for Redis.
     *
     * @param tokens the cost, from 0 to 1e12
     * @throws IllegalArgumentException if the agent's id or the cost breaks its rule
     */
    public CompletionStage<Decision> checkAndConsumeAsync(String agentId, double tokens) {
        return buckets.spend(agentId, limit, tokens);
    }

    /** As {@link #checkAndConsumeAsync}; waits for the answer, at most 0.1 s. */
    public Decision checkAndConsume(String agentId, double tokens) {
        return checkAndConsumeAsync(agentId, tokens).toCompletableFuture().join();
    }

    /** Returns whether the tokens were there, and have been spent. */
    public boolean tryAcquire(String agentId, double tokens) {
        return checkAndConsume(agentId, tokens).isApproved();
    }

    /** Returns what the agent has left, refilled to now. */
    public double availableTokens(String agentId) {
        return buckets.look(agentId, limit).toCompletableFuture().join().tokens();
    }

    /** Fills the agent's bucket. */
    public void reset(String agentId) {
        buckets.reset(agentId, limit).toCompletableFuture().join();
    }

    /** Disconnects; what is in Redis stays there. */
    @Override
    public void close() {
        buckets.close();
    }
}
