package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Agents that publish in transactions, and abort some of them. */
@Order(2) // rather long, and one after the other
class AbortedTransactionIT {
    private static final int ABORTED = 50;

    @Test
    void abortedRequestsAreNotDecided() {
        abortedRequestsAreNotDecided("at_least_once");
    }

    @Tag("faults")
    @Test
    void abortedRequestsAreNotDecided_exactlyOnce() {
        abortedRequestsAreNotDecided("exactly_once_v2");
    }

    private static void abortedRequestsAreNotDecided(String guarantee) {
        try (var cluster = TestCluster.onSharedBroker()
                        .withLimit(1000, 0)
                        .with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            publishAndAbort(cluster);
            for (int i = 0; i < 8; i++) requests.send("agent", 1, i);

            var decided = decisions.await(8, application);

            decisions.conserve(requests.published());
            assertThat(decided).allSatisfy(each -> assertThat(each.approved()).isTrue());
            assertThat(decided.get(decided.size() - 1).remaining())
                    .as("tokens left: nothing aborted was charged")
                    .isEqualTo(1000 - 8);
        }
    }

    /** No record follows whose commit would cover its end. */
    @Test
    void abortedRequestsDelayNoOther() {
        abortedRequestsDelayNoOther("exactly_once_v2");
    }

    @Tag("faults")
    @Test
    void abortedRequestsDelayNoOther_atLeastOnce() {
        abortedRequestsDelayNoOther("at_least_once");
    }

    private static void abortedRequestsDelayNoOther(String guarantee) {
        try (var cluster = TestCluster.onSharedBroker().with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            for (int i = 0; i < 2 * TestCluster.PARTITIONS; i++) requests.sendWithoutKey("agent", 1, i);
            decisions.await(2 * TestCluster.PARTITIONS, application);

            publishAndAbort(cluster);

            await("lag")
                    .atMost(Duration.ofSeconds(30))
                    .pollDelay(Duration.ofSeconds(3))
                    .untilAsserted(() -> assertThat(LagIT.metric(application)).hasValue(0));
        }
    }

    private static void publishAndAbort(TestCluster cluster) {
        try (var producer = cluster.producer(Map.of("transactional.id", cluster.requestsTopic()))) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int i = 0; i < ABORTED; i++) {
                // Without a key, so on all partitions: some are strays.
                producer.send(new ProducerRecord<>(
                        cluster.requestsTopic(), i % TestCluster.PARTITIONS, null, Requests.value("agent", 1, i)));
                producer.send(new ProducerRecord<>(
                        cluster.requestsTopic(), i % TestCluster.PARTITIONS, null, "{".getBytes(UTF_8)));
            }
            producer.flush();
            producer.abortTransaction();
        }
    }
}
