package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.redis.Answer;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.Spend;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The buckets in Redis as the pipeline sees them: asked under the breaker, within the time limit, and never throwing.
 * Thread-safe; one for all stream threads.
 */
public final class SharedBuckets implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SharedBuckets.class);

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

    /** Returns what Redis answered; empty if it is not to be asked, is away, or refuses this agent's key. */
    Optional<Answer.Decided> spend(Spend spend) {
        if (!breaker.isClosed()) return Optional.empty();
        long start = System.nanoTime();
        try {
            var answers = redis.spend(List.of(spend)).get(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS);
            long elapsed = System.nanoTime() - start;
            breaker.answered(elapsed);
            metrics.redisAnswered(elapsed);
            clock.follow(answers.clockMicros());
            return answers.answers().get(0) instanceof Answer.Decided decided
                    ? Optional.of(noted(decided))
                    : refused((Answer.Failed) answers.answers().get(0));
        } catch (ExecutionException | TimeoutException e) {
            // No retry: a script that timed out may still have run, and running it again would charge the agent twice.
            breaker.failed(System.nanoTime() - start, e);
            metrics.redisFailed();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Optional.empty();
    }

    private Answer.Decided noted(Answer.Decided decided) {
        metrics.replayed(decided.replays());
        if (decided.reconciled()) metrics.reconciled();
        if (decided.repaired()) metrics.repaired();
        return decided;
    }

    private Optional<Answer.Decided> refused(Answer.Failed failed) {
        metrics.unusableKey();
        log.debug("Redis refused one key: {}", failed.message());
        return Optional.empty();
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
