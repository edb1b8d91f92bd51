package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The state folder is deleted, or its disk is full. */
@Tag("faults")
class StateFaultIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    @Test
    void changelogRestoresBuckets() {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri());
                var scenario = FaultScenario.start("14 state folder deleted", cluster)) {
            long fault = Arrivals.nowMicros();
            redis.kill();
            scenario.awaitLocal(fault);
            scenario.flow(1000); // by now the mirror holds the last decisions of Redis

            scenario.application().kill();
            cluster.deleteStateDir();
            assertThat(cluster.stateDir()).doesNotExist();
            scenario.startInstance(Map.of());
            scenario.awaitLocal(Arrivals.nowMicros());
            scenario.flow(500);
            redis.restart();
            scenario.awaitRedis(Arrivals.nowMicros());
            scenario.flow(500);
            scenario.assertClean();
        }
    }

    @Test
    void clustersDoNotShareAStateFolder(@TempDir Path cache) {
        try (var broker = KafkaBroker.start();
                var there = TestCluster.on(broker.bootstrapServers())
                        .withLimit(100, 0)
                        .withDefaultStateDir(cache);
                var here = TestCluster.onSharedBroker()
                        .withLimit(100, 0)
                        .withDefaultStateDir(cache)
                        .with(
                                "TOLLGATE_APPLICATION_ID",
                                there.settings().streams().applicationId())) {
            there.createTopics();
            for (var cluster : List.of(there, here)) {
                try (var requests = new Requests(cluster);
                        var decisions = new Decisions(cluster);
                        var application = cluster.start()) {
                    requests.send("agent-0", 90, 1);
                    assertThat(decisions.await(1, application).get(0).remaining())
                            .isEqualTo(10);
                    application.terminate();
                    assertThat(application.awaitExit(SOON)).hasValue(0);
                }
            }
        }
    }

    @Test
    void deletedStateIsRestored() {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri());
                var scenario = FaultScenario.start("14 state folder deleted while running", cluster)) {
            cluster.deleteStateDir();
            scenario.flow(1000);
            scenario.application().terminate();
            assertThat(scenario.application().awaitExit(SOON)).isPresent();
            scenario.startInstance(Map.of());
            scenario.flow(500);
            scenario.assertClean();
        }
    }

    @Test
    void fullDiskEndsWithAClearError(@TempDir Path mountPoint) throws Exception {
        assumeTrue(
                run("mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", mountPoint.toString()) == 0,
                "mounting a small disk needs the rights of root");
        try (var cluster = TestCluster.onSharedBroker()
                        .with("TOLLGATE_STATE_DIR", mountPoint.resolve("state").toString())
                        // Streams writes a task's store to disk after 10 000 changes, one for each agent and commit.
                        .with("KAFKA_COMMIT_INTERVAL_MS", "10");
                var scenario = FaultScenario.start("14 state folder on a full disk", cluster, 2500, 1, Map.of())) {
            var filling = mountPoint.resolve("filling");
            fill(filling);
            var running = scenario.application();
            assertEnds(running);
            var givenBack = mountPoint.resolve("given back");
            fill(givenBack); // closed stores have left room
            try (var again = cluster.launch("run")) {
                assertEnds(again);
            }
            Files.delete(filling);
            Files.delete(givenBack);
            scenario.startInstance(Map.of());
            scenario.flow(500);
            scenario.assertClean();
        } finally {
            run("umount", "-l", mountPoint.toString());
        }
    }

    private static void assertEnds(ApplicationProcess pipeline) {
        assertThat(pipeline.awaitExit(Duration.ofSeconds(180)))
                .as("it ends: " + pipeline.output())
                .hasValue(1);
        assertThat(pipeline.output()).contains("No space left on device");
    }

    private static void fill(Path file) throws IOException {
        try (var out = Files.newOutputStream(file)) {
            var block = new byte[4096];
            while (true) out.write(block);
        } catch (IOException full) {
            assertThat(full).hasMessageContaining("No space left");
        }
    }

    private static int run(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).inheritIO().start().waitFor();
    }
}
