package io.tollgate.benchmarks.micro;

import com.google.common.util.concurrent.RateLimiter;
import io.github.bucket4j.Bucket;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.LocalBuckets;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Local buckets: Tollgate's beside those of libraries. One bucket alone, and each agent's own. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class LimiterBenchmark {
    // Never exhausted: all approve. Guava knows no burst above one second's permits.
    private static final long PER_SECOND = 1_000_000_000;
    private static final Limit LIMIT = new Limit(PER_SECOND, PER_SECOND);
    private static final int AGENTS = 8192;

    private final String[] agents = new String[AGENTS];
    private int next;

    private final BucketClock clock = new BucketClock();
    private final LocalBuckets tollgate = new LocalBuckets(clock);
    private final List<Charge> charge = List.of(Charge.of(1));
    private final Promises promises = Promises.of(Terms.of(LIMIT));
    private AgentBuckets pure = AgentBuckets.full(promises.terms(), TokenBucket.seconds(clock.getAsLong()));

    private final Bucket bucket4j = newBucket4j();
    private final RateLimiter guava = RateLimiter.create(PER_SECOND);
    private final io.github.resilience4j.ratelimiter.RateLimiter resilience4j = newResilience4j("one");

    private final ConcurrentHashMap<String, Bucket> bucket4js = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<String, RateLimiter> guavas = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<String, io.github.resilience4j.ratelimiter.RateLimiter> resilience4js =
            new ConcurrentHashMap<>();

    /** JMH creates it. */
    public LimiterBenchmark() {
        for (int i = 0; i < AGENTS; i++) agents[i] = "agent-" + i;
    }

    private static Bucket newBucket4j() {
        return Bucket.builder()
                .addLimit(limit -> limit.capacity(PER_SECOND).refillGreedy(PER_SECOND, Duration.ofSeconds(1)))
                .build();
    }

    private static io.github.resilience4j.ratelimiter.RateLimiter newResilience4j(String name) {
        return io.github.resilience4j.ratelimiter.RateLimiter.of(
                name,
                RateLimiterConfig.custom()
                        .limitForPeriod((int) PER_SECOND)
                        .limitRefreshPeriod(Duration.ofSeconds(1))
                        .timeoutDuration(Duration.ZERO)
                        .build());
    }

    private String agent() {
        next = next + 1 & AGENTS - 1;
        return agents[next];
    }

    /** The clock alone: every limiter here reads one for each decision, so none can be faster. */
    @Benchmark
    public long oneClock() {
        return System.nanoTime();
    }

    /** The arithmetic alone, as the pipeline's tasks call it. */
    @Benchmark
    public Object oneTollgateArithmetic() {
        var outcome = TokenBucket.spend(pure, Fence.NONE, promises, -1, charge, clock.getAsLong(), DecidedBy.LOCAL);
        pure = outcome.buckets();
        return outcome;
    }

    @Benchmark
    public Object oneTollgate() {
        return tollgate.spendNow("agent-0", LIMIT, 1);
    }

    @Benchmark
    public boolean oneBucket4j() {
        return bucket4j.tryConsume(1);
    }

    @Benchmark
    public boolean oneResilience4j() {
        return resilience4j.acquirePermission();
    }

    @Benchmark
    public boolean oneGuava() {
        return guava.tryAcquire();
    }

    @Benchmark
    public Object eachTollgate() {
        return tollgate.spendNow(agent(), LIMIT, 1);
    }

    @Benchmark
    public boolean eachBucket4j() {
        return bucket4js.computeIfAbsent(agent(), id -> newBucket4j()).tryConsume(1);
    }

    @Benchmark
    public boolean eachResilience4j() {
        return resilience4js
                .computeIfAbsent(agent(), LimiterBenchmark::newResilience4j)
                .acquirePermission();
    }

    @Benchmark
    public boolean eachGuava() {
        return guavas.computeIfAbsent(agent(), id -> RateLimiter.create(PER_SECOND))
                .tryAcquire();
    }
}
