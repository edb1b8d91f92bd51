package io.tollgate.sandbox.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RedisServerIT {
    @Test
    void appendOnlyFileOutlivesAKill() {
        try (RedisServer redis =
                RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true))) {
            assertThat(redis.ask("SET k v")).hasValue("+OK");
            long pid = redis.pid();

            redis.kill();
            assertThat(redis.ask("PING")).isEmpty();
            redis.restart();

            assertThat(redis.pid()).isNotEqualTo(pid);
            assertThat(redis.ask("STRLEN k")).hasValue(":1");
        }
    }

    @Test
    void missingKeyIsAnEmptyText() {
        try (RedisServer redis = RedisServer.start()) {
            assertThat(redis.text("GET nothing")).isEmpty();
        }
    }

    /** On two cores the common pool has one thread, which the application or a test may keep. */
    @Test
    void busyCommonPoolDelaysNoKill() {
        var busy = new CountDownLatch(1);
        try (RedisServer redis = RedisServer.start()) {
            var pool = ForkJoinPool.commonPool();
            for (int i = 0; i < pool.getParallelism(); i++) pool.execute(() -> waitFor(busy));

            redis.kill();

            assertThat(redis.ask("PING")).isEmpty();
        } finally {
            busy.countDown();
        }
    }

    private static void waitFor(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void killWithoutFileLosesTheData() {
        try (RedisServer redis = RedisServer.start()) {
            assertThat(redis.ask("SET k v")).hasValue("+OK");

            redis.restart();

            assertThat(redis.ask("DBSIZE")).hasValue(":0");
        }
    }

    @Test
    void closeKeepsTheFoldersData(@TempDir Path dir) {
        RedisServer.RedisOptions options =
                RedisServer.RedisOptions.defaults().withDir(dir).withAppendOnly(true);
        try (RedisServer redis = RedisServer.start(options)) {
            assertThat(redis.ask("SET k v")).hasValue("+OK");
        }
        try (RedisServer redis = RedisServer.start(options)) {
            assertThat(redis.ask("STRLEN k")).hasValue(":1");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"with space", "ünï", "it's", "a\"b"})
    void folderOfCertificatesMayHaveAnyName(String name, @TempDir Path dir) {
        var security = Security.create(dir.resolve(name));

        try (var redis = RedisServer.start(
                RedisServer.RedisOptions.defaults().withDir(dir.resolve(name)).withSecurity(security))) {
            assertThat(redis.ask("PING")).isPresent();
        }
    }

    /** Kafka's own tools read it as ISO-8859-1. */
    @Test
    void propertiesNameAnyFolder(@TempDir Path dir) throws IOException {
        var security = Security.create(dir.resolve("ünï"));

        var read = new Properties();
        try (var file = Files.newInputStream(security.dir().resolve("admin.properties"))) {
            read.load(file);
        }

        assertThat(read.getProperty("ssl.truststore.location"))
                .isEqualTo(security.trustStore().toString());
    }

    @Test
    void frozenRedisAnswersAfterTheThaw() {
        try (RedisServer redis = RedisServer.start()) {
            redis.freeze();
            assertThat(redis.ask("PING")).isEmpty();
            assertThat(redis.isAlive()).isTrue();

            redis.thaw();

            assertThat(redis.ask("PING")).hasValue("+PONG");
        }
    }

    @Test
    void passwordAndUserAreDemanded() {
        RedisServer.RedisOptions options =
                RedisServer.RedisOptions.defaults().withPassword("s c").withUser("reader on >r ~* -@all +dbsize");
        try (RedisServer redis = RedisServer.start(options)) {
            assertThat(redis.uri()).isEqualTo("redis://:s%20c@127.0.0.1:" + redis.port());
            assertThat(redis.ask("DBSIZE").orElseThrow()).startsWith("-NOAUTH");
            assertThat(redis.ask("AUTH \"s c\"")).hasValue("+OK");
            assertThat(redis.ask("AUTH reader r")).hasValue("+OK");
        }
    }

    @Test
    void replicaFollowsThePrimary() {
        try (RedisServer primary = RedisServer.start();
                RedisServer replica =
                        RedisServer.start(RedisServer.RedisOptions.defaults().withReplicaOf(primary.port()))) {
            assertThat(primary.ask("SET k v")).hasValue("+OK");

            await().untilAsserted(() -> assertThat(replica.ask("STRLEN k")).hasValue(":1"));
            assertThat(replica.ask("SET k w").orElseThrow()).startsWith("-READONLY");
        }
    }

    @Test
    void refusedLineShowsTheLog() {
        RedisServer.RedisOptions options = RedisServer.RedisOptions.defaults().withConfig("maxmemory plenty");

        assertThatThrownBy(() -> RedisServer.start(options))
                .hasMessageContaining("ended with exit code 1")
                .hasMessageContaining("maxmemory plenty");
    }
}
