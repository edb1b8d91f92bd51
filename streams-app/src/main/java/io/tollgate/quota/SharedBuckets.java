package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.Spend;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The buckets in Redis as the pipeline sees them: called in chunks under the breaker, never waiting and never throwing.
 * Thread-safe; one for all stream threads.
 */
public final class SharedBuckets implements AutoCloseable {
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

    /** Returns whether Redis is to be asked now. */
    boolean inUse() {
        return breaker.isClosed();
    }

    /** Sends one call; the breaker hears of it once, however many requests are in it. */
    Chunk send(List<Spend> spends) {
        long start = System.nanoTime();
        var call = redis.spend(spends);
        var timely = call.copy().orTimeout(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS);
        timely.whenComplete((answers, failure) -> {
            long elapsed = System.nanoTime() - start;
            if (failure == null) {
                breaker.answered(elapsed);
                clock.follow(answers.clockMicros());
                metrics.redisAnswered(elapsed, spends.size());
            } else {
                breaker.failed(elapsed, failure);
                metrics.redisFailed(failure instanceof TimeoutException);
            }
        });
        return new Chunk(timely, start + breaker.timeout().toNanos());
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
