package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.KafkaBroker;
import io.tollgate.sandbox.RedisServer;
import java.time.Duration;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The broker restarts, freezes, or is away for longer than any client's patience; {@link StartUpIT} starts before it. */
@Tag("faults")
class BrokerFaultIT {
    private static final Duration LONGER_THAN_PATIENCE = Duration.ofSeconds(70);

    @Test
    void givenTraffic_whenTheBrokerIsKilledAndRestarts_thenThePipelineGoesOn() {
        away("13 broker restart", KafkaBroker::kill, Duration.ZERO, KafkaBroker::restart);
    }

    @Test
    void givenTraffic_whenTheBrokerIsAwayFor70Seconds_thenThePipelineGoesOn() {
        away("13 broker away for 70 s", KafkaBroker::kill, LONGER_THAN_PATIENCE, KafkaBroker::restart);
    }

    @Test
    void givenTraffic_whenTheBrokerIsFrozenFor70Seconds_thenThePipelineGoesOn() {
        away("13 broker frozen for 70 s", KafkaBroker::freeze, LONGER_THAN_PATIENCE, KafkaBroker::thaw);
    }

    private static void away(String name, Consumer<KafkaBroker> fault, Duration length, Consumer<KafkaBroker> cure) {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = TestCluster.on(broker.bootstrapServers()).with("REDIS_URL", redis.uri())) {
            cluster.createTopics();
            try (var scenario = FaultScenario.start(name, cluster)) {
                long begin = System.nanoTime();
                fault.accept(broker);
                await("the broker is away")
                        .atMost(length.plusSeconds(10))
                        .until(() -> System.nanoTime() - begin >= length.toNanos());
                cure.accept(broker);
                long healed = Arrivals.nowMicros();
                scenario.measured("resumes", scenario.resumes(healed));
                scenario.flow(2000);
                scenario.application().awaitReady(Duration.ofSeconds(60));
                assertThat(scenario.application().output()).doesNotContain("the pipeline has failed");
                scenario.assertClean();
            }
        }
    }
}
