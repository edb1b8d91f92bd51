package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Measures how long a partition is silent while instances join, leave, are killed and are replaced one after the other,
 * for each way of membership. Each test ends with the checker.
 */
@Order(2) // rather long, and one after the other
class ScaleOutIT {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6); // as TestCluster sets it
    /** With the streams protocol the broker sets it, as the sandbox's broker does. */
    private static final Duration BROKERS_SESSION_TIMEOUT = Duration.ofSeconds(10);
    /** Well below the session timeout, for which a leave must not wait. The figure is printed. */
    private static final Duration LEAVE = SESSION_TIMEOUT.minusSeconds(1);

    private static final Duration JOIN = Duration.ofSeconds(4);

    /** The instances, started and ended while traffic flows. */
    private static final class Fleet implements AutoCloseable {
        private final RedisServer redis = RedisServer.start();
        private final TestCluster cluster;
        private final FaultScenario scenario;
        private final Map<String, String> membership;
        private final Map<String, Duration> worst = new HashMap<>();
        private final List<String> tooLong = new ArrayList<>();

        Fleet(String name, Map<String, String> settings, Map<String, String> membership) {
            this.membership = membership;
            cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri());
            settings.forEach(cluster::with);
            scenario = FaultScenario.start("scale out: " + name, cluster, 250, 1, own("first"));
        }

        /** One instance's own state folder and, for static members, its name in the group. */
        private Map<String, String> own(String instance) {
            var own = new HashMap<>(cluster.ownState(instance));
            membership.forEach((variable, value) -> own.put(variable, value.replace("NAME", instance)));
            return own;
        }

        /** Lets so many more agents spend, so that each task has a share of them in its store and changelog. */
        void fill(int agents) {
            int before = scenario.arrivals().count();
            try (var producer = cluster.producer(Map.of("linger.ms", 20))) {
                for (int n = 0; n < agents; n++) {
                    String agent = "many-" + n;
                    producer.send(new ProducerRecord<>(
                            cluster.requestsTopic(), agent.getBytes(UTF_8), Requests.value(agent, 1, n)));
                }
            }
            scenario.flow(before + agents - scenario.arrivals().count()); // some are decided by now
        }

        ApplicationProcess join(String name) {
            long begin = Arrivals.nowMicros();
            var joined = scenario.startInstance(own(name));
            scenario.flow(1500);
            silence("join", begin, JOIN.plus(FaultScenario.LOADED));
            return joined;
        }

        void leave(ApplicationProcess instance) {
            long begin = Arrivals.nowMicros();
            end(instance);
            scenario.flow(1500);
            silence("leave", begin, LEAVE);
        }

        void kill(ApplicationProcess instance, Duration sessionTimeout) {
            long begin = Arrivals.nowMicros();
            instance.kill();
            scenario.flow(3500);
            silence("kill", begin, sessionTimeout.plusSeconds(1).plus(FaultScenario.LOADED));
        }

        /** Ends an instance cleanly, and starts it again on its own state. */
        ApplicationProcess replace(ApplicationProcess instance, String name) {
            long begin = Arrivals.nowMicros();
            end(instance);
            var replaced = scenario.startInstance(own(name));
            scenario.flow(1500);
            silence("rolling restart", begin, JOIN.plus(FaultScenario.LOADED));
            return replaced;
        }

        /** Kills an instance, and starts it again under its name at once. */
        void killAndReplace(ApplicationProcess instance, String name, Duration most) {
            long begin = Arrivals.nowMicros();
            instance.kill();
            scenario.startInstance(own(name));
            scenario.flow(1500);
            silence("killed and started again", begin, most);
        }

        private static void end(ApplicationProcess instance) {
            instance.terminate();
            assertThat(instance.awaitExit(Duration.ofSeconds(60)))
                    .as(instance.output())
                    .hasValue(0);
        }

        private void silence(String what, long fromMicros, Duration most) {
            var silence = scenario.arrivals().longestSilenceOfAPartition(fromMicros);
            worst.merge(what, silence, (one, two) -> one.compareTo(two) > 0 ? one : two);
            scenario.measured(what, Objects.requireNonNull(worst.get(what)));
            if (silence.compareTo(most) >= 0) tooLong.add(what + ": " + silence + ", not below " + most);
        }

        /** The checker first, so that its figures are seen as well. */
        void assertCleanAndSoon() {
            scenario.assertClean();
            assertThat(tooLong).as("no decisions on one partition").isEmpty();
        }

        @Override
        public void close() {
            scenario.close();
            cluster.close();
            redis.close();
        }
    }

    @Test
    void leavingInstanceLeavesNoSilence() {
        try (var fleet = new Fleet("one leaves", Map.of(), Map.of())) {
            var first = fleet.scenario.application();
            fleet.join("second");
            fleet.leave(first);
            fleet.assertCleanAndSoon();
        }
    }

    @Tag("faults")
    @Test
    void joiningInstanceGetsItsShareAtOnce() {
        try (var fleet = new Fleet("large state", Map.of(), Map.of())) {
            fleet.fill(15_000 * TestCluster.PARTITIONS); // Kafka Streams' own bound is 10 000 for each task
            var second = fleet.join("second");
            await("it decides")
                    .atMost(Duration.ofSeconds(20))
                    .until(() -> TestCluster.metric(second, "tollgate_mirror_agents") > 0);
            fleet.assertCleanAndSoon();
        }
    }

    @Tag("faults")
    @Test
    void standbysAvoidSilence() {
        comeAndGo("standby replicas", Map.of("KAFKA_NUM_STANDBY_REPLICAS", "1"), Map.of(), SESSION_TIMEOUT);
    }

    @Tag("faults")
    @Test
    void streamsProtocolAvoidsSilence() {
        comeAndGo("streams protocol", Map.of("KAFKA_GROUP_PROTOCOL", "streams"), Map.of(), BROKERS_SESSION_TIMEOUT);
    }

    @Tag("faults")
    @Test
    void staticMembersAvoidSilence() {
        comeAndGo("static members", Map.of(), Map.of("KAFKA_GROUP_INSTANCE_ID", "NAME"), SESSION_TIMEOUT);
    }

    @Tag("faults")
    @Test
    void restartedStaticMemberIsBackAtOnce() {
        var session = Duration.ofSeconds(40);
        var settings = Map.of("KAFKA_MAIN_CONSUMER_SESSION_TIMEOUT_MS", Long.toString(session.toMillis()));
        try (var fleet = new Fleet("static member returns", settings, Map.of("KAFKA_GROUP_INSTANCE_ID", "NAME"))) {
            var second = fleet.join("second");
            fleet.killAndReplace(second, "second", session.minusSeconds(5));
            fleet.assertCleanAndSoon();
        }
    }

    private static void comeAndGo(
            String name, Map<String, String> settings, Map<String, String> membership, Duration sessionTimeout) {
        try (var fleet = new Fleet(name, settings, membership)) {
            var first = fleet.scenario.application();
            var second = fleet.join("second");
            fleet.leave(first);
            var third = fleet.join("third");
            fleet.kill(second, sessionTimeout);
            var fourth = fleet.join("fourth");
            fleet.replace(third, "third");
            var last = fleet.replace(fourth, "fourth");
            assertThat(last.isAlive()).isTrue();
            fleet.assertCleanAndSoon();
        }
    }
}
