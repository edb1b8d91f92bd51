package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.sandbox.ApplicationProcess;
import io.tollgate.sandbox.RedisServer;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Instances join, leave, are killed, and are replaced one after the other, while traffic flows. */
@Tag("faults")
class MembershipFaultIT {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6); // as TestCluster sets it
    private static final Duration TAKEOVER = Duration.ofSeconds(4); // on a busy machine
    /**
     * Under exactly-once, what was killed leaves a transaction open, behind which nothing is read: Streams' 10 s, which brokers look
     * for every 10 s.
     */
    private static final Duration OPEN_TRANSACTION = Duration.ofSeconds(10 + 10);

    @Test
    void givenInstancesThatComeAndGo_whenPartitionsMove_thenNoPartitionIsSilentForLong() {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .with("REDIS_URL", redis.uri())
                        .with("KAFKA_NUM_STANDBY_REPLICAS", "1");
                var scenario = FaultScenario.start("12 instances join, leave, are killed, replaced", cluster)) {
            long begin = Arrivals.nowMicros();
            var first = scenario.application();
            var second = scenario.startInstance(cluster.ownState("second"));
            var third = scenario.startInstance(cluster.ownState("third"));
            scenario.flow(500);
            leave(second);
            scenario.flow(500);
            measureSilence(scenario, "joins and leaves", begin, SESSION_TIMEOUT.plus(TAKEOVER));

            long killed = Arrivals.nowMicros();
            third.kill();
            assertThat(third.isAlive()).isFalse();
            scenario.flow(2500);
            measureSilence(scenario, "kill", killed, OPEN_TRANSACTION.plus(TAKEOVER));

            long rolling = Arrivals.nowMicros();
            var replaced = scenario.startInstance(cluster.ownState("second"));
            scenario.flow(500);
            leave(first);
            scenario.startInstance(Map.of());
            leave(replaced);
            scenario.flow(500);
            measureSilence(scenario, "rolling restart", rolling, SESSION_TIMEOUT.plus(TAKEOVER));
            scenario.assertClean();
        }
    }

    private static void leave(ApplicationProcess instance) {
        instance.terminate();
        assertThat(instance.awaitExit(Duration.ofSeconds(60)))
                .as(instance.output())
                .hasValue(0);
    }

    private static void measureSilence(FaultScenario scenario, String what, long fromMicros, Duration most) {
        var silence = scenario.arrivals().longestSilenceOfAPartition(fromMicros);
        scenario.measured(what, silence);
        assertThat(silence).as("no decisions on one partition: " + what).isLessThan(most);
    }
}
