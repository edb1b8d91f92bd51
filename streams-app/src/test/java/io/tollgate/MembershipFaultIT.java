package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Instances join, leave, are killed, and are replaced one after the other, while traffic flows. */
@Tag("faults")
class MembershipFaultIT {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6); // as TestCluster sets it
    private static final Duration TAKEOVER = Duration.ofSeconds(4); // on a busy machine
    /** After the session timeout, the others hear of it with their next heartbeat, and divide the partitions anew. */
    private static final Duration REBALANCE = Duration.ofSeconds(1);

    @Test
    void noPartitionIsSilentForLong() {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .with("REDIS_URL", redis.uri())
                        .with("KAFKA_NUM_STANDBY_REPLICAS", "1");
                var scenario = FaultScenario.start("12 instances join, leave, are killed, replaced", cluster)) {
            long begin = Arrivals.nowMicros();
            var first = scenario.application();
            var second = scenario.startInstance(cluster.ownState("second"));
            var own = new HashMap<>(cluster.ownState("third"));
            own.put("KAFKA_PRODUCER_LINGER_MS", "0"); // else it has a transaction open only while it commits
            var third = scenario.startInstance(own);
            scenario.flow(500);
            leave(second);
            scenario.flow(500);
            measureSilence(scenario, "joins and leaves", begin, SESSION_TIMEOUT.plus(TAKEOVER));

            long killed = killWithATransactionOpen(third, cluster, Path.of(own.get("TOLLGATE_STATE_DIR")));
            scenario.flow(2500);
            measureSilence(
                    scenario, "kill", killed, SESSION_TIMEOUT.plus(REBALANCE).plus(FaultScenario.LOADED));

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

    /**
     * Readers of committed decisions wait behind it, and brokers abort it by themselves only after 10 to 20 s.
     *
     * @return the time of its last possible action, in microseconds
     */
    private static long killWithATransactionOpen(ApplicationProcess instance, TestCluster cluster, Path state) {
        try (var admin = Admin.create(Map.of("bootstrap.servers", TestCluster.sharedBroker()))) {
            var frozen = new AtomicLong();
            await("frozen with a transaction open")
                    .pollInterval(Duration.ofMillis(170))
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> {
                        instance.freeze();
                        frozen.set(Arrivals.nowMicros());
                        boolean open = hasDecisionsOpen(admin, cluster, state);
                        if (!open) instance.thaw();
                        return open;
                    });
            instance.kill();
            assertThat(instance.isAlive()).isFalse();
            return frozen.get();
        }
    }

    /** Returns whether one of the two topics has decisions that are not readable yet. */
    private static boolean hasDecisionsOpen(Admin admin, TestCluster cluster, Path state) throws Exception {
        var application = cluster.settings().streams().applicationId();
        var process = Files.readString(state.resolve(application).resolve("kafka-streams-process-metadata"))
                .replaceAll(".*\"processId\":\"([^\"]+)\".*", "$1");
        var open = admin.listTransactions().all().get().stream()
                .filter(transaction -> transaction.state() == TransactionState.ONGOING)
                .map(TransactionListing::transactionalId)
                .filter(id -> id.startsWith(application + "-" + process + "-"))
                .toList();
        var topics = cluster.settings().topics();
        return admin.describeTransactions(open).all().get().values().stream()
                .filter(transaction -> transaction.state() == TransactionState.ONGOING)
                .flatMap(transaction -> transaction.topicPartitions().stream())
                .anyMatch(part -> Set.of(topics.approved(), topics.rejected()).contains(part.topic()));
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
