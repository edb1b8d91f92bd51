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

/**
 * One limit for every agent, enforced against the same buckets as the pipeline. Thread-safe.
 *
 * <p>With Redis the quota holds for all programs that share it. Without, and while Redis is away, it holds for this process.
 *
 * <p>It knows no policies. To an agent that the pipeline holds to several limits, it is a program that shares the <em>first</em>: it charges,
 * refills, shows and resets that bucket alone, by its own capacity and rate, and the other limits neither refuse nor miss anything. So give
 * it the first limit's numbers. With a smaller capacity it cuts the bucket at each call, as the pipeline would; with another rate, the
 * time since anybody's last call counts by the rate of whoever calls next.
 *
 * <pre>{@code
 * try (var quota = ResourceQuotaManager.fromEnvironment()) {
 *     if (quota.tryAcquire("agent-7", 10)) callTheApi();
 * }
 * }</pre>
 */
public final class ResourceQuotaManager implements AutoCloseable {
    private static final Duration REDIS_TIMEOUT = Duration.ofMillis(100);

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
     * Returns a manager with the settings of {@code REDIS_URL} (absent: local buckets), {@code REDIS_USERNAME}, {@code
     * REDIS_PASSWORD}, {@code TOKEN_BUCKET_SIZE} (default 1000 tokens) and {@code TOKEN_REFILL_RATE} (default 10 tokens per second).
     * Each of the first three may stand in a file, which the variable of that name and {@code _FILE} names.
     *
     * @throws IllegalArgumentException if one of them is not legal; the message names it
     */
    public static ResourceQuotaManager fromEnvironment() {
        return from(System.getenv());
    }

    static ResourceQuotaManager from(Map<String, String> variables) {
        var env = ClientEnv.from(variables);
        return env.redis().map(uri -> shared(uri, env.limit())).orElseGet(() -> local(env.limit()));
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
