package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.sandbox.ApplicationProcess;
import io.tollgate.sandbox.RedisServer;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** How long a partition is silent while instances join, leave, are killed and are replaced; measured for each way of membership. */
class ScaleOutIT {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6); // as TestCluster sets it
    /** Well below the session timeout, for which a leave must not wait, on any machine; the figure is printed. */
    private static final Duration LEAVE = SESSION_TIMEOUT.minusSeconds(1);

    private static final Duration JOIN = Duration.ofSeconds(4);

    /** What is started and ended while traffic flows. */
    private static final class Fleet implements AutoCloseable {
        private final RedisServer redis = RedisServer.start();
        private final TestCluster cluster;
        private final FaultScenario scenario;
        private final Map<String, String> membership;

        Fleet(String name, Map<String, String> settings, Map<String, String> membership) {
            this.membership = membership;
            cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri());
            settings.forEach(cluster::with);
            scenario = FaultScenario.start("scale out: " + name, cluster, 250, 1, membership("first"));
        }

        private Map<String, String> membership(String instance) {
            var own = new HashMap<String, String>();
            membership.forEach((variable, value) -> own.put(variable, value.replace("NAME", instance)));
            return own;
        }

        ApplicationProcess join(String name) {
            long begin = Arrivals.nowMicros();
            var settings = new HashMap<>(cluster.ownState(name));
            settings.putAll(membership(name));
            var joined = scenario.startInstance(settings);
            scenario.flow(1500);
            silence("join", begin, JOIN.plus(FaultScenario.LOADED));
            return joined;
        }

        void leave(ApplicationProcess instance) {
            long begin = Arrivals.nowMicros();
            instance.terminate();
            assertThat(instance.awaitExit(Duration.ofSeconds(60)))
                    .as(instance.output())
                    .hasValue(0);
            scenario.flow(1500);
            silence("leave", begin, LEAVE);
        }

        void kill(ApplicationProcess instance) {
            long begin = Arrivals.nowMicros();
            instance.kill();
            scenario.flow(2500);
            silence("kill", begin, SESSION_TIMEOUT.plusSeconds(1).plus(FaultScenario.LOADED));
        }

        private void silence(String what, long fromMicros, Duration most) {
            var silence = scenario.arrivals().longestSilenceOfAPartition(fromMicros);
            scenario.measured(what, silence);
            assertThat(silence).as("no decisions on one partition: " + what).isLessThan(most);
        }

        @Override
        public void close() {
            scenario.close();
            cluster.close();
            redis.close();
        }
    }

    @Test
    void givenTwoInstances_whenOneLeaves_thenNoPartitionIsSilentForLong() {
        try (var fleet = new Fleet("one leaves", Map.of(), Map.of())) {
            var first = fleet.scenario.application();
            fleet.join("second");
            fleet.leave(first);
            fleet.scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void givenStandbyReplicas_whenInstancesComeAndGo_thenNoPartitionIsSilentForLong() {
        comeAndGo("standby replicas", Map.of("KAFKA_NUM_STANDBY_REPLICAS", "1"), Map.of());
    }

    @Tag("faults")
    @Test
    void givenStreamsProtocol_whenInstancesComeAndGo_thenNoPartitionIsSilentForLong() {
        comeAndGo("streams protocol", Map.of("KAFKA_GROUP_PROTOCOL", "streams"), Map.of());
    }

    @Tag("faults")
    @Test
    void givenStaticMembers_whenInstancesComeAndGo_thenNoPartitionIsSilentForLong() {
        comeAndGo("static members", Map.of(), Map.of("KAFKA_GROUP_INSTANCE_ID", "NAME"));
    }

    private static void comeAndGo(String name, Map<String, String> settings, Map<String, String> membership) {
        try (var fleet = new Fleet(name, settings, membership)) {
            var first = fleet.scenario.application();
            var second = fleet.join("second");
            fleet.leave(first);
            var third = fleet.join("third");
            fleet.kill(second);
            assertThat(third.isAlive()).isTrue();
            fleet.scenario.assertClean();
        }
    }
}
