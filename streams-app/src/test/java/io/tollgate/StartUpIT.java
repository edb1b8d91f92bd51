package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.FreePorts;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

@Execution(ExecutionMode.CONCURRENT)
@Order(1) // long
class StartUpIT {
    private static final Duration SOON = Duration.ofSeconds(40);

    @Test
    void missingTopicsAreNamedWithExit1() {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker());
                var application = cluster.launch("run")) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);

            var topics = cluster.settings().topics();
            assertThat(application.output().lines())
                    .contains(
                            "topic " + topics.requests() + " does not exist: create it with `tollgate topics create`",
                            "topic " + topics.approved() + " does not exist: create it with `tollgate topics create`",
                            "topic " + topics.rejected() + " does not exist: create it with `tollgate topics create`",
                            "topic " + topics.policies() + " does not exist: create it with `tollgate topics create`");
            assertThat(application.output()).doesNotContain("\tat ", "Exception");
        }
    }

    @Test
    void takenPortIsNamedWithExit1() throws IOException {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                var cluster = TestCluster.onSharedBroker()
                        .with("TOLLGATE_HTTP_PORT", Integer.toString(taken.getLocalPort()));
                var application = cluster.launch("run")) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);

            assertThat(application.output())
                    .contains("cannot listen on 127.0.0.1:" + taken.getLocalPort() + ": the port is in use")
                    .doesNotContain("\tat ");
        }
    }

    @Test
    void wrongSettingsExitWith2() {
        try (var cluster = TestCluster.on("127.0.0.1:1")
                        .withLimit(-1, 10)
                        .with("REDIS_URL", "redis://user:hunter2@host:port")
                        .with("TOLLGATE_HTTP_PROT", "80")
                        .with("TOLLGATE_STREAM_THREADS", "none")
                        .with("KAFKA_MAX_POLL_RECORDS", "0");
                var application = cluster.launch("run")) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(2);

            assertThat(application.output())
                    .contains(
                            "TOKEN_BUCKET_SIZE must be",
                            "REDIS_URL must be",
                            "TOLLGATE_STREAM_THREADS must be",
                            "KAFKA_MAX_POLL_RECORDS must be")
                    .contains("TOLLGATE_HTTP_PROT is not a variable that Tollgate knows")
                    .doesNotContain("hunter2", "\tat ", "Exception");
        }
    }

    @Test
    void waitsForTheBroker() {
        try (var broker = KafkaBroker.start();
                var cluster = TestCluster.on(broker.bootstrapServers())) {
            cluster.createTopics();
            broker.kill();

            try (var application = cluster.launch("run")) {
                long started = System.nanoTime();
                await().atMost(SOON)
                        .until(() ->
                                application.output().contains("waiting for Kafka at " + broker.bootstrapServers()));
                assertThat(Duration.ofNanos(System.nanoTime() - started))
                        .as("said before people give up; a JVM that starts on a busy machine needs some of it")
                        .isLessThan(Duration.ofSeconds(10));
                assertThat(application.isReady()).isFalse();
                broker.restart();
                application.awaitReady(SOON);

                decideOne(cluster, "local", 0);
                assertThat(application.output()).doesNotContain("\tat ");
            }
        }
    }

    @Test
    void silentBrokerIsNamedInTime() throws IOException {
        try (var silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                var cluster = TestCluster.on("127.0.0.1:" + silent.getLocalPort());
                var application = cluster.launch("run")) {
            await().atMost(Duration.ofSeconds(10)) // a JVM that starts on a busy machine needs some of it
                    .until(() -> application
                            .output()
                            .contains("waiting for Kafka at 127.0.0.1:" + silent.getLocalPort() + ": no answer yet"));
        }
    }

    @Test
    void waitsForUnknownNames(@TempDir Path dir) throws IOException {
        var hosts = Files.writeString(dir.resolve("hosts"), "127.0.0.1 localhost\n");
        try (var cluster = TestCluster.onSharedBroker()) {
            var port = TestCluster.sharedBroker().split(":")[1];
            var named = Map.of(
                    "KAFKA_BOOTSTRAP_SERVERS", "kafka.not-yet:" + port + ",other.never:" + port,
                    "JAVA_TOOL_OPTIONS", "-Djdk.net.hosts.file=" + hosts);
            try (var application = cluster.launch(named, "run")) {
                await().atMost(SOON)
                        .until(() -> application.output().contains("DNS does not know kafka.not-yet, other.never yet"));
                Files.writeString(hosts, "127.0.0.1 localhost\n127.0.0.1 kafka.not-yet\n");

                application.awaitReady(SOON);
                decideOne(cluster, "local", 0);
                assertThat(application.output()).doesNotContain("\tat ");
            }
        }
    }

    @Test
    void decidesLocallyUntilRedisIsThere() {
        int port = FreePorts.next();
        try (var cluster = TestCluster.onSharedBroker().with("REDIS_URL", "redis://127.0.0.1:" + port);
                var application = cluster.start()) {
            int decided = decideOne(cluster, "local", 0);

            try (var redis =
                    RedisServer.start(RedisServer.RedisOptions.defaults().withPort(port))) {
                decideOne(cluster, "redis", decided);
                assertThat(redis.isAlive()).isTrue();
            }
            assertThat(application.isReady()).isTrue();
        }
    }

    /** Publishes until a decision comes from there; returns how many there are then. */
    private static int decideOne(TestCluster cluster, String by, int before) {
        try (var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            await("a decision by " + by).atMost(SOON).until(() -> {
                requests.send("agent", 0, 1);
                return decisions.poll().stream()
                        .skip(before)
                        .anyMatch(
                                decision -> decision.header("quota-decided-by").equals(by));
            });
            return decisions.poll().size();
        }
    }
}
