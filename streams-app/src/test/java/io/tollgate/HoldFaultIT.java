package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Agents hold and workers report, late, twice or never, while the pipeline and Redis fail; the checker at the end. */
@Tag("faults")
class HoldFaultIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    private static TestCluster cluster(KafkaBroker broker, RedisServer redis) {
        var cluster = TestCluster.on(broker.bootstrapServers())
                .with("REDIS_URL", redis.uri())
                // A busy machine must not look like a slow Redis here: what Redis charged is to be compared.
                .with("TOLLGATE_REDIS_TIMEOUT_MS", "1000");
        cluster.createTopics();
        return cluster;
    }

    @Test
    void crashesSettleNothingTwice() {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                // Much is decided and settled, but not committed, at the moment of a crash.
                var cluster = cluster(broker, redis).with("KAFKA_COMMIT_INTERVAL_MS", "1000");
                var scenario = FaultScenario.startWithHolds("holds, pipeline killed", cluster)) {
            for (int crash = 0; crash < 3; crash++) {
                scenario.application().kill();
                scenario.startInstance(Map.of());
                scenario.flow(500);
            }
            assertSettled(scenario);
        }
    }

    @Test
    void crashWithRedisSettlesNothingTwice() {
        try (var broker = KafkaBroker.start();
                var redis =
                        RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
                var cluster = cluster(broker, redis);
                var scenario = FaultScenario.startWithHolds("holds, both killed, data kept", cluster)) {
            scenario.application().kill();
            redis.kill();
            redis.restart();
            scenario.startInstance(Map.of());
            scenario.awaitRedis(Arrivals.nowMicros());
            scenario.flow(500);
            assertSettled(scenario);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"FLUSHALL", "SCRIPT FLUSH"})
    void emptiedRedisGivesNothingAway(String command) {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = cluster(broker, redis);
                var scenario = FaultScenario.startWithHolds("holds, " + command, cluster)) {
            for (int i = 0; i < 5; i++) {
                redis.ask(command);
                scenario.flow(300);
            }
            assertSettled(scenario);
        }
    }

    @Test
    void holdsSettleWhileRedisIsFrozen() {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = cluster(broker, redis);
                var scenario = FaultScenario.startWithHolds("holds, Redis frozen", cluster)) {
            for (int i = 0; i < 3; i++) {
                long frozen = Arrivals.nowMicros();
                redis.freeze();
                scenario.awaitLocal(frozen);
                scenario.flow(500);
                redis.thaw();
                scenario.awaitRedis(Arrivals.nowMicros());
                scenario.flow(200);
            }
            assertSettled(scenario);
        }
    }

    @Test
    void zombieSettlesNothingTwice() {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = cluster(broker, redis);
                var scenario = FaultScenario.startWithHolds("holds, zombie", cluster)) {
            var zombie = scenario.application();
            scenario.startInstance(cluster.ownState("other"));
            scenario.flow(500);
            zombie.freeze();
            long frozen = Arrivals.nowMicros();
            await("the other instance decides on every partition")
                    .atMost(SOON)
                    .until(() -> scenario.arrivals().since(frozen + 5_000_000).stream()
                                    .map(Arrivals.Arrival::partition)
                                    .distinct()
                                    .count()
                            == TestCluster.PARTITIONS);
            zombie.thaw();
            await("the zombie is a member again").atMost(SOON).until(zombie::isReady);
            scenario.flow(500);
            assertSettled(scenario);
        }
    }

    private static void assertSettled(FaultScenario scenario) {
        var verdict = scenario.assertClean();
        assertThat(verdict.figure("settled")).isPositive();
        assertThat(verdict.figure("expired")).isPositive();
    }
}
