package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.failover.SharingStatus;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ResourceQuotaManagerIT {
    private static final Limit LIMIT = new Limit(100, 0);

    @Test
    void programsShareOneQuota() {
        try (var server = RedisServer.start();
                var one = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT);
                var other = ResourceQuotaManager.from(
                        Map.of("REDIS_URL", server.uri(), "TOKEN_BUCKET_SIZE", "100", "TOKEN_REFILL_RATE", "0"))) {
            assertThat(one.checkAndConsume("a", 60).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(other.tryAcquire("a", 60)).isFalse();
            assertThat(other.tryAcquire("a", 40)).isTrue();
            assertThat(one.availableTokens("a")).isZero();

            assertThat(other.reset("a")).isTrue();

            assertThat(one.availableTokens("a")).isEqualTo(100);
        }
    }

    @Test
    void passwordInTheUrlIsUsed() {
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withPassword("s3cret"));
                var quota = ResourceQuotaManager.from(Map.of("REDIS_URL", server.uri()))) {
            assertThat(quota.checkAndConsume("a", 1).decidedBy()).isEqualTo(DecidedBy.REDIS);
        }
    }

    @Test
    void secretsInFilesAreUsed(@TempDir Path dir) throws IOException {
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withPassword("s3cret"))) {
            var plain = server.uri().replaceFirst("//.*@", "//");
            var env = Map.of(
                    "REDIS_URL_FILE",
                    Files.writeString(dir.resolve("url"), plain + "\n").toString(),
                    "REDIS_PASSWORD_FILE",
                    Files.writeString(dir.resolve("password"), "s3cret\n").toString());
            try (var quota = ResourceQuotaManager.from(env)) {
                assertThat(quota.checkAndConsume("a", 1).decidedBy()).isEqualTo(DecidedBy.REDIS);
            }
        }
    }

    /** Another program, to which an agent of several limits is one of the first. */
    @Test
    void firstOfThePipelinesLimitsIsCharged() {
        var burst = new NamedLimit("burst", new Limit(100, 0.01));
        var day = new NamedLimit("day", new Limit(86_400, 1));
        var terms = new Terms(5, List.of(burst, day));
        try (var server = RedisServer.start();
                var pipeline = new RedisBuckets(RedisURI.create(server.uri()));
                var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
            pipeline.probe(Duration.ofSeconds(5));
            spend(pipeline, terms, new Charge(0, 30));

            assertThat(quota.availableTokens("a")).isEqualTo(70);
            assertThat(quota.checkAndConsume("a", 20).remainingTokens()).isEqualTo(50);
            assertThat(quota.tryAcquire("a", 51)).isFalse();

            var after = spend(pipeline, terms, new Charge(1, 10)).buckets();
            assertThat(after.terms()).isEqualTo(terms);
            assertThat(after.first().tokens()).isCloseTo(40, within(1.0));
            assertThat(after.buckets().get(1).tokens()).isBetween(86_360.0, 86_400.0);

            quota.reset("a");
            after = spend(pipeline, terms, new Charge(2, 10)).buckets();
            assertThat(after.first().tokens()).isCloseTo(90, within(1.0));
            assertThat(after.buckets().get(1).tokens()).as("not reset").isLessThan(86_391);

            try (var quick = ResourceQuotaManager.shared(RedisURI.create(server.uri()), new Limit(100, 10))) {
                quick.tryAcquire("a", 1);
                assertThat(secondsToLive(server)).as("as long as the day needs").isBetween(86_000L, 87_000L);
            }
        }
    }

    private static SpendResult.Decided spend(RedisBuckets pipeline, Terms terms, Charge charge) {
        var spend = new SpendRequest(
                "a", BucketKind.ENFORCED, Promises.of(terms), List.of(charge), 17, -1, false, Fence.NONE, null);
        return (SpendResult.Decided)
                pipeline.spend(List.of(spend)).join().answers().get(0);
    }

    private static long secondsToLive(RedisServer server) {
        var client = RedisClient.create(server.uri());
        try (var connection = client.connect()) {
            return connection.sync().ttl("quota:a:tokens");
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void unixSocketIsUsed(@TempDir Path dir) {
        var socket = dir.resolve("redis.sock");
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withConfig("unixsocket " + socket));
                var quota = ResourceQuotaManager.from(Map.of("REDIS_URL", "redis-socket://" + socket))) {
            assertThat(server.isAlive()).isTrue();
            assertThat(quota.checkAndConsume("a", 1).decidedBy()).isEqualTo(DecidedBy.REDIS);
        }
    }

    @Test
    void callsReturnQuicklyWithoutRedis() {
        try (var server = RedisServer.start()) {
            server.kill();
            long start = System.nanoTime();
            try (var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
                assertThat(quota.tryAcquire("a", 60)).isTrue();
                assertThat(quota.tryAcquire("a", 60)).isFalse();
                assertThat(quota.availableTokens("a")).isEqualTo(40);
                assertThat(quota.reset("a")).as("for everybody").isFalse();
                assertThat(quota.availableTokens("a")).isEqualTo(100);
            }
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(4));
        }
    }

    @Test
    void resetWhileFrozenIsNotMadeUpLater() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
            quota.tryAcquire("a", 60);
            server.freeze();
            await().until(() -> {
                quota.tryAcquire("b", 0);
                return !(quota.status() instanceof SharingStatus.Shared);
            });

            assertThat(quota.reset("a")).isFalse();
            assertThat(quota.availableTokens("a")).isEqualTo(100);

            server.thaw();
            await().until(() -> quota.status() instanceof SharingStatus.Shared);
            assertThat(quota.availableTokens("a")).isEqualTo(40);
            assertThat(quota.reset("a")).isTrue();
            assertThat(quota.availableTokens("a")).isEqualTo(100);
        }
    }

    @Test
    void frozenRedisKeepsNoCallWaiting() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
            quota.tryAcquire("a", 60);
            server.freeze();
            for (int i = 0; i < 20; i++) {
                long start = System.nanoTime();
                quota.tryAcquire("a", 1);
                quota.availableTokens("a");
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMillis(600));
            }
            server.thaw();
            await().until(() -> quota.checkAndConsume("a", 0).decidedBy() == DecidedBy.REDIS);
            assertThat(quota.availableTokens("a")).isEqualTo(20);
        }
    }

    @Test
    void redisKeepsWhatWasSpent() {
        try (var server = RedisServer.start()) {
            try (var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
                quota.tryAcquire("a", 60);
            }
            try (var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
                assertThat(quota.availableTokens("a")).isEqualTo(40);
            }
        }
    }
}
