package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Limit;
import io.tollgate.sandbox.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
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
    void givenTwoPrograms_whenTheyShareRedis_thenTheyShareOneQuota() {
        try (var server = RedisServer.start();
                var one = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT);
                var other = ResourceQuotaManager.from(
                        Map.of("REDIS_URL", server.uri(), "TOKEN_BUCKET_SIZE", "100", "TOKEN_REFILL_RATE", "0"))) {
            assertThat(one.checkAndConsume("a", 60).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(other.tryAcquire("a", 60)).isFalse();
            assertThat(other.tryAcquire("a", 40)).isTrue();
            assertThat(one.availableTokens("a")).isZero();

            other.reset("a");

            assertThat(one.availableTokens("a")).isEqualTo(100);
        }
    }

    @Test
    void givenPasswordInTheUrl_whenShared_thenRedisIsUsed() {
        try (var server = RedisServer.start(RedisServer.Options.defaults().withPassword("s3cret"));
                var quota = ResourceQuotaManager.from(Map.of("REDIS_URL", server.uri()))) {
            assertThat(quota.checkAndConsume("a", 1).decidedBy()).isEqualTo(DecidedBy.REDIS);
        }
    }

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void givenUnixSocketInTheUrl_whenShared_thenRedisIsUsed(@TempDir Path dir) {
        var socket = dir.resolve("redis.sock");
        try (var server = RedisServer.start(RedisServer.Options.defaults().withConfig("unixsocket " + socket));
                var quota = ResourceQuotaManager.from(Map.of("REDIS_URL", "redis-socket://" + socket))) {
            assertThat(server.isAlive()).isTrue();
            assertThat(quota.checkAndConsume("a", 1).decidedBy()).isEqualTo(DecidedBy.REDIS);
        }
    }

    @Test
    void givenRedisDown_whenCalled_thenEveryCallReturnsQuickly() {
        try (var server = RedisServer.start()) {
            server.kill();
            long start = System.nanoTime();
            try (var quota = ResourceQuotaManager.shared(RedisURI.create(server.uri()), LIMIT)) {
                assertThat(quota.tryAcquire("a", 60)).isTrue();
                assertThat(quota.tryAcquire("a", 60)).isFalse();
                assertThat(quota.availableTokens("a")).isEqualTo(40);
                quota.reset("a");
                assertThat(quota.availableTokens("a")).isEqualTo(100);
            }
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(4));
        }
    }

    @Test
    void givenRedisFrozenMeanwhile_whenCalled_thenNoCallWaitsLongerThanItSays() {
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
    void givenClosed_whenOpenedAgain_thenRedisHasKeptWhatWasSpent() {
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
