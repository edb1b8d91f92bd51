package io.tollgate.benchmarks.run;

import io.github.bucket4j.BucketConfiguration;
import io.github.bucket4j.distributed.ExpirationAfterWriteStrategy;
import io.github.bucket4j.distributed.proxy.ProxyManager;
import io.github.bucket4j.redis.lettuce.Bucket4jLettuce;
import io.lettuce.core.RedisClient;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.DoubleFunction;
import java.util.function.Function;
import org.redisson.api.RRateLimiter;
import org.redisson.api.RateType;
import org.redisson.api.RedissonClient;

/** The compared ways to ask Redis, each as its documentation says. Thread-safe. */
final class Limiters {
    private Limiters() {}

    /** One decision, without and with waiting. */
    interface Limiter {
        CompletionStage<?> spend(String agentId, double costTokens);

        boolean spendNow(String agentId, double costTokens);
    }

    /** Bucket4j's Lettuce integration: read, decide in the client, compare and swap. */
    static final class Bucket4jRedis implements Limiter {
        private final ProxyManager<byte[]> buckets;
        private final BucketConfiguration configuration;

        Bucket4jRedis(RedisClient client, Limit limit) {
            buckets = Bucket4jLettuce.casBasedBuilder(client)
                    .expirationAfterWrite(
                            ExpirationAfterWriteStrategy.basedOnTimeForRefillingBucketUpToMax(Duration.ofSeconds(60)))
                    .build();
            configuration = BucketConfiguration.builder()
                    .addLimit(bandwidth -> bandwidth
                            .capacity((long) limit.capacityTokens())
                            .refillGreedy((long) limit.refillTokensPerSecond(), Duration.ofSeconds(1)))
                    .build();
        }

        private static byte[] key(String agentId) {
            return ("bucket4j:" + agentId).getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public CompletionStage<?> spend(String agentId, double costTokens) {
            return buckets.asAsync()
                    .builder()
                    .build(key(agentId), () -> CompletableFuture.completedFuture(configuration))
                    .tryConsumeAndReturnRemaining((long) costTokens);
        }

        @Override
        public boolean spendNow(String agentId, double costTokens) {
            return buckets.builder()
                    .build(key(agentId), () -> configuration)
                    .tryConsumeAndReturnRemaining((long) costTokens)
                    .isConsumed();
        }
    }

    /** Redisson's RRateLimiter; it knows no burst, so that the bucket is its capacity in the time that fills it. */
    record Redisson(RedissonClient client, Limit limit) implements Limiter {
        private RRateLimiter limiter(String agentId) {
            return client.getRateLimiter("redisson:" + agentId);
        }

        /** Must have been called once for each agent. */
        CompletionStage<?> prepare(String agentId) {
            return limiter(agentId)
                    .trySetRateAsync(RateType.OVERALL, (long) limit.capacityTokens(), Duration.ofSeconds((long)
                            limit.waitSeconds(limit.capacityTokens(), 0)));
        }

        @Override
        public CompletionStage<?> spend(String agentId, double costTokens) {
            return limiter(agentId).tryAcquireAsync((long) costTokens);
        }

        @Override
        public boolean spendNow(String agentId, double costTokens) {
            return limiter(agentId).tryAcquire((long) costTokens);
        }
    }

    /** One script call for each decision, as the gateway does. */
    static Limiter gateway(RedisClient client, Limit limit) {
        var rate = Long.toString((long) limit.refillTokensPerSecond());
        var capacity = Long.toString((long) limit.capacityTokens());
        return new Scripted(
                client,
                Scripts.GATEWAY,
                agentId -> new String[] {"gateway.{" + agentId + "}.tokens", "gateway.{" + agentId + "}.timestamp"},
                costTokens -> new String[] {rate, capacity, Long.toString((long) costTokens)});
    }

    /** The minimum of a script for the shared layout: no fence, no copy, no replays. */
    static Limiter floor(RedisClient client, Limit limit) {
        var rate = Double.toString(limit.refillTokensPerSecond());
        var capacity = Double.toString(limit.capacityTokens());
        return new Scripted(
                client, Scripts.PLAIN_BUCKET, agentId -> new String[] {"quota:" + agentId + ":tokens"}, costTokens ->
                        new String[] {capacity, rate, Double.toString(costTokens)});
    }

    /** Calls a script for each decision; its answer begins with 1 if it approves. */
    private static final class Scripted implements Limiter {
        private final RedisAsyncCommands<String, String> commands;
        private final String digest;
        private final Function<String, String[]> keys;
        private final DoubleFunction<String[]> arguments;

        Scripted(
                RedisClient client,
                String script,
                Function<String, String[]> keys,
                DoubleFunction<String[]> arguments) {
            var connection = client.connect();
            commands = connection.async();
            digest = connection.sync().scriptLoad(script);
            this.keys = keys;
            this.arguments = arguments;
        }

        @Override
        public CompletionStage<List<Object>> spend(String agentId, double costTokens) {
            return commands.evalsha(digest, ScriptOutputType.MULTI, keys.apply(agentId), arguments.apply(costTokens));
        }

        @Override
        public boolean spendNow(String agentId, double costTokens) {
            var answer = spend(agentId, costTokens).toCompletableFuture().join();
            return answer.get(0).equals(1L);
        }
    }

    /** Tollgate's library, one agent for each call. */
    record TollgateSingle(RedisBuckets buckets, Limit limit) implements Limiter {
        @Override
        public CompletionStage<?> spend(String agentId, double costTokens) {
            return buckets.spend(agentId, limit, costTokens);
        }

        @Override
        public boolean spendNow(String agentId, double costTokens) {
            return buckets.spend(agentId, limit, costTokens)
                    .toCompletableFuture()
                    .join()
                    .isApproved();
        }
    }

    /**
     * Tollgate's pipeline: many agents in one call, with fence and copy as the pipeline sends them. For one thread
     * alone.
     */
    static final class TollgateChunks {
        private final RedisBuckets buckets;
        private final Limit limit;
        private final boolean exact;
        private final Bucket[] copies;
        private long offset;

        /**
         * @param exact whether the calls carry the parts that make decisions exact: the source of their offsets, and
         *     our copy
         */
        TollgateChunks(RedisBuckets buckets, Limit limit, int agents, boolean exact) {
            this.buckets = buckets;
            this.limit = limit;
            this.exact = exact;
            this.copies = new Bucket[agents];
        }

        /** Sends one call; its decisions are those of the agents, one each. */
        CompletableFuture<?> spend(int[] agents, int inFlight) {
            var spends = new ArrayList<SpendRequest>(agents.length);
            // Decisions under way are not committed yet.
            long committed = offset - 1 - (long) agents.length * inFlight;
            for (int agent : agents) {
                var copy = copies[agent];
                spends.add(new SpendRequest(
                        Workload.agentName(agent),
                        limit,
                        List.of(new Charge(offset++, 1)),
                        exact ? 1 : SpendRequest.NO_SOURCE,
                        Math.max(-1, committed),
                        copy == null || !exact ? null : new SpendRequest.Copy(copy, Fence.NONE, CopyStatus.FOLLOWS)));
            }
            return buckets.spend(spends).thenAccept(answers -> {
                for (int i = 0; i < agents.length; i++) {
                    if (!(answers.answers().get(i) instanceof SpendResult.Decided decided)) {
                        throw new IllegalStateException(
                                "Redis refused " + answers.answers().get(i));
                    }
                    copies[agents[i]] = decided.bucket();
                }
            });
        }
    }
}
