package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The pipeline crashes, alone, together with Redis, or only seems to, while traffic flows. */
@Tag("faults")
class CrashFaultIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    /** The mirror's age with few active agents, the commit, and the delay of a busy machine. */
    private static final Duration MIRROR_AGE = Duration.ofMillis(250 + 100 + 650);

    private static TestCluster cluster(RedisServer redis) {
        return TestCluster.onSharedBroker()
                .with("REDIS_URL", redis.uri())
                // A busy machine must not look like a slow Redis here, because the test compares what Redis charged.
                .with("TOLLGATE_REDIS_TIMEOUT_MS", "1000");
    }

    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void repeatedKillsChargeOnce(String guarantee) {
        boolean exactlyOnce = guarantee.equals("exactly_once_v2");
        try (var redis = RedisServer.start();
                var cluster = cluster(redis)
                        .with("TOLLGATE_PROCESSING_GUARANTEE", guarantee)
                        // Much is decided, but not committed, at the moment of a crash.
                        .with("KAFKA_COMMIT_INTERVAL_MS", "1000");
                // Under at-least-once a stray is forwarded again, as another record, and charged again.
                var scenario = exactlyOnce
                        ? FaultScenario.start("9 pipeline killed, " + guarantee, cluster)
                        : FaultScenario.startWithoutStrays("9 pipeline killed, " + guarantee, cluster)) {
            double replays = 0;
            for (int crash = 0; crash < 3; crash++) {
                var crashed = scenario.application();
                crashed.kill();
                assertThat(crashed.isAlive()).isFalse();
                scenario.startInstance(Map.of());
                scenario.flow(500);
                replays += scenario.metric("tollgate_replays_total");
            }
            scenario.measured("replays", replays);
            assertThat(replays)
                    .as("decided and charged, but not committed, at a crash")
                    .isPositive();
            if (exactlyOnce) {
                scenario.assertClean("--exclusive");
            } else {
                scenario.verdict("--exclusive").cleanButDuplicates();
                scenario.assertDuplicatesAgree();
            }
        }
    }

    @Test
    void killedTogetherLosesNothing() {
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
                // Much is decided, but not committed, at the moment of a crash.
                var cluster = cluster(redis).with("KAFKA_COMMIT_INTERVAL_MS", "1000");
                var scenario = FaultScenario.start("10 both killed, data kept", cluster)) {
            killBoth(scenario, redis);
            redis.restart();
            scenario.startInstance(Map.of());
            scenario.awaitRedis(Arrivals.nowMicros());
            scenario.flow(500);
            assertThat(scenario.metric("tollgate_replays_total")).isPositive();
            scenario.assertClean();
        }
    }

    @Test
    void emptyRedisLosesOnlyTheMirrorsAge() {
        try (var redis = RedisServer.start();
                var cluster = cluster(redis);
                var scenario = FaultScenario.start("10 both killed, Redis empty", cluster)) {
            long crashed = killBoth(scenario, redis);
            redis.restart();
            scenario.startInstance(Map.of());
            scenario.awaitRedis(Arrivals.nowMicros());
            scenario.flow(500);
            assertThat(scenario.metric("tollgate_reconciled_total")).isPositive();

            var verdict = scenario.verdict().cleanBut("NO_OVER_ADMISSION");
            var forgotten = scenario.arrivals().all().stream()
                    .filter(Arrivals.Arrival::approved)
                    .filter(seen -> seen.decidedAtMicros() <= crashed)
                    .filter(seen -> seen.decidedAtMicros() > crashed - MIRROR_AGE.toNanos() / 1000)
                    .collect(Collectors.groupingBy(
                            Arrivals.Arrival::agent, Collectors.summingDouble(Arrivals.Arrival::costTokens)));
            double most = forgotten.values().stream()
                    .mapToDouble(Double::doubleValue)
                    .max()
                    .orElse(0);
            assertThat(verdict.figure("worst_overdraft_tokens"))
                    .as("no more than what was approved within the mirror's age")
                    .isLessThanOrEqualTo(most + FaultScenario.REFILL * 0.05);
        }
    }

    private static long killBoth(FaultScenario scenario, RedisServer redis) {
        var crashed = scenario.application();
        crashed.kill();
        redis.kill();
        assertThat(crashed.isAlive()).isFalse();
        assertThat(redis.isAlive()).isFalse();
        return Arrivals.nowMicros();
    }

    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void zombieDecidesNothingTwice(String guarantee) {
        try (var redis = RedisServer.start();
                var cluster = cluster(redis).with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
                // Under at-least-once a stray is forwarded again, as another record, and charged again.
                var scenario = guarantee.equals("exactly_once_v2")
                        ? FaultScenario.start("11 zombie, " + guarantee, cluster)
                        : FaultScenario.startWithoutStrays("11 zombie, " + guarantee, cluster)) {
            var zombie = scenario.application();
            var other = scenario.startInstance(cluster.ownState("other"));
            scenario.flow(500);
            zombie.freeze();
            long frozen = Arrivals.nowMicros();
            scenario.awaitTakeover(frozen);
            scenario.measured("takeover", scenario.arrivals().longestSilenceOfAPartition(frozen));
            zombie.thaw();
            await("the zombie is a member again").atMost(SOON).until(zombie::isReady);
            scenario.flow(500);
            assertThat(zombie.isAlive()).isTrue();
            assertThat(other.isAlive()).isTrue();
            assertThat(zombie.output()).doesNotContain("the pipeline has failed");
            if (guarantee.equals("exactly_once_v2")) {
                scenario.assertClean();
            } else {
                scenario.verdict("--exclusive").cleanButDuplicates();
                scenario.assertDuplicatesAgree();
            }
        }
    }
}
