package io.tollgate.failover;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.LocalBuckets;
import io.tollgate.redis.Answer;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.Spend;
import io.tollgate.redis.UnusableKeyException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Buckets in Redis while it answers, in memory while it does not. Thread-safe.
 *
 * <p>Every answer of Redis is kept as a copy, so that an outage refills nobody; what is spent on the copy is told to Redis when
 * it is back, and the bucket continues from the smaller of the two.
 */
public final class FailoverBuckets implements Buckets {
    private static final int FORGET_EVERY = 10_000;

    private final RedisBuckets redis;
    private final RedisBreaker breaker;
    private final BucketClock clock = new BucketClock();
    private final LocalBuckets copies = new LocalBuckets(clock);
    private final Set<String> decidedWithoutRedis = ConcurrentHashMap.newKeySet();
    private volatile int forgetAtSize = FORGET_EVERY;

    /** Takes over both, and closes them when it is closed. */
    public FailoverBuckets(RedisBuckets redis, RedisBreaker breaker) {
        this.redis = redis;
        this.breaker = breaker;
    }

    @Override
    public CompletionStage<Decision> spend(String agentId, Limit limit, double costTokens) {
        AgentId.require(agentId);
        var charge = Charge.of(costTokens); // checked before anybody is asked
        var node = breaker.of(agentId, Spend.Kept.ENFORCED);
        if (!node.isClosed()) return CompletableFuture.completedFuture(spendLocally(agentId, limit, charge));
        boolean untold = decidedWithoutRedis.contains(agentId);
        var copy = copies.find(agentId)
                .map(bucket -> new Spend.Copy(
                        bucket, Fence.NONE, untold ? Spend.Standing.DECIDED_ALONE : Spend.Standing.FOLLOWS));
        long start = System.nanoTime();
        return redis.spend(List.of(Spend.unordered(agentId, limit, costTokens, copy.orElse(null))))
                .orTimeout(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS)
                .handle((answers, failure) -> {
                    if (failure != null) {
                        node.failed(System.nanoTime() - start, failure);
                        // No retry: a script that timed out may still have run, and running it again would charge
                        // twice.
                        return spendLocally(agentId, limit, charge);
                    }
                    node.answered(System.nanoTime() - start);
                    clock.follow(answers.clockMicros());
                    // This key alone may be unusable: then the agent goes local, and Redis stays in use for the others.
                    if (!(answers.answers().get(0) instanceof Answer.Decided decided)) {
                        return spendLocally(agentId, limit, charge);
                    }
                    copies.accept(agentId, decided.bucket(), limit);
                    if (untold) decidedWithoutRedis.remove(agentId);
                    return decided.decisions().get(0);
                });
    }

    private Decision spendLocally(String agentId, Limit limit, Charge charge) {
        decidedWithoutRedis.add(agentId);
        var decision = copies.spendNow(agentId, limit, charge.costTokens());
        decidedWithoutRedis.add(agentId); // again: before there was a copy, another thread may have forgotten it
        if (decidedWithoutRedis.size() >= forgetAtSize) forgetTheFull();
        return decision;
    }

    /** A copy that is full again is forgotten, and with it what Redis should have been told. */
    private synchronized void forgetTheFull() {
        if (decidedWithoutRedis.size() < forgetAtSize) return;
        decidedWithoutRedis.removeIf(agentId -> copies.find(agentId).isEmpty());
        forgetAtSize = decidedWithoutRedis.size() + FORGET_EVERY;
    }

    /** Returns of how many agents Redis does not know everything. */
    int untold() {
        return decidedWithoutRedis.size();
    }

    @Override
    public CompletionStage<Bucket> look(String agentId, Limit limit) {
        return orLocally(agentId, () -> redis.look(agentId, limit), () -> copies.look(agentId, limit));
    }

    @Override
    public CompletionStage<Void> reset(String agentId, Limit limit) {
        return orLocally(
                agentId,
                () -> redis.reset(agentId, limit).thenCompose(done -> {
                    decidedWithoutRedis.remove(agentId);
                    return copies.reset(agentId, limit);
                }),
                () -> {
                    decidedWithoutRedis.add(agentId);
                    return copies.reset(agentId, limit);
                });
    }

    private <T> CompletionStage<T> orLocally(
            String agentId, Supplier<CompletionStage<T>> inRedis, Supplier<CompletionStage<T>> locally) {
        var node = breaker.of(agentId, Spend.Kept.ENFORCED);
        if (!node.isClosed()) return locally.get();
        long start = System.nanoTime();
        return inRedis.get()
                .toCompletableFuture()
                .orTimeout(breaker.timeout().toNanos(), TimeUnit.NANOSECONDS)
                .whenComplete((answer, failure) -> {
                    if (failure != null && !concernsOneKey(failure)) node.failed(System.nanoTime() - start, failure);
                })
                .exceptionallyCompose(failure -> locally.get());
    }

    private static boolean concernsOneKey(Throwable failure) {
        var cause = failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        return cause instanceof UnusableKeyException;
    }

    @Override
    public void close() {
        breaker.close();
        redis.close();
        copies.close();
    }
}
