package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
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
    private static final int MILLION = 1_000_000;

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
            scenario.awaitTakeover(frozen);
            zombie.thaw();
            await("the zombie is a member again").atMost(SOON).until(zombie::isReady);
            scenario.flow(500);
            assertSettled(scenario);
        }
    }

    /** With an empty state folder, from the changelog; then a report finds its hold. */
    @Test
    void aMillionHoldsAreRestored() {
        int agents = 2_000; // at the default, each may have 1,000 open
        try (var broker = KafkaBroker.start();
                var cluster = TestCluster.on(broker.bootstrapServers())
                        .withLimit(1e9, 0)
                        .withHeap("1g")) {
            cluster.createTopics();
            cluster.policy("*", "{\"capacity\":1e9,\"refill_rate\":0,\"holds\":{\"within_s\":604800}}");
            try (var holds = new Holds(cluster)) {
                try (var application = cluster.start()) {
                    for (int i = 0; i < MILLION; i++) holds.reserve("agent-" + i % agents, 1);
                    holds.flush();
                    awaitOpen(application, MILLION);
                    application.kill();
                }
                cluster.deleteStateDir();
                long begin = System.nanoTime();
                try (var application = cluster.start()) {
                    awaitOpen(application, MILLION);
                    System.out.printf(
                            "FAULT a million holds restored in %d s%n", (System.nanoTime() - begin) / 1_000_000_000);
                    await("an approval")
                            .atMost(SOON)
                            .until(() -> !holds.approved().isEmpty());
                    var hold = holds.approved().get(0);
                    holds.report(Holds.agent(hold), Holds.header(hold, "quota-source"), 0);
                    await("a settlement")
                            .atMost(SOON)
                            .until(() -> !holds.settled().isEmpty());
                    assertThat(holds.settled().get(0).get("outcome").textValue())
                            .isEqualTo("settled");
                    awaitOpen(application, MILLION - 1);
                }
            }
        }
    }

    private static void awaitOpen(ApplicationProcess application, int count) {
        await(count + " open holds")
                .atMost(Duration.ofMinutes(5))
                .ignoreExceptions()
                .until(() -> TestCluster.metric(application, "tollgate_holds_open") == count);
    }

    private static void assertSettled(FaultScenario scenario) {
        var verdict = scenario.assertClean();
        assertThat(verdict.figure("settled")).isPositive();
        assertThat(verdict.figure("expired")).isPositive();
    }
}
