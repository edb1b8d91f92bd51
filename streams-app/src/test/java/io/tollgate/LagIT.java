package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.cli.TopicAdmin;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** Two instances, one of them idle, and a producer with an open transaction. */
class LagIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int BEHIND = 2_500;

    @Test
    void lagIsWhatKafkaSays() throws Exception {
        try (var broker = KafkaBroker.start();
                var cluster = TestCluster.on(broker.bootstrapServers()).withLimit(1e9, 0)) {
            try (var topics = new TopicAdmin(cluster.settings())) {
                topics.create(1, (short) -1);
            }
            try (var open = cluster.producer(Map.of("transactional.id", "open"));
                    var requests = new Requests(cluster)) {
                open.initTransactions();
                open.beginTransaction();
                open.send(new ProducerRecord<>(cluster.requestsTopic(), Requests.value("agent", 1, 0)))
                        .get();
                for (int i = 0; i < BEHIND; i++) requests.send("agent", 1, i);
                assertThat(requests.published()).hasSize(BEHIND);

                try (var one = cluster.start();
                        var other = cluster.start(cluster.ownState("other"))) {
                    var both = List.of(one, other);
                    // Nothing is committed yet; one of the two owns no partition.
                    both.forEach(each -> awaitLag(each, BEHIND + 1));

                    var verdict = Verdict.of(cluster, Duration.ofSeconds(5)).clean();
                    assertThat(verdict.figure("behind_open_transactions")).isEqualTo(BEHIND + 1);

                    open.commitTransaction();
                    both.forEach(each -> awaitLag(each, 0));
                    assertThat(waiting(cluster)).isZero();
                    assertThat(Verdict.of(cluster, SOON).clean().figure("behind_open_transactions"))
                            .isZero();

                    requests.send("agent", 1, BEHIND);
                    requests.published();
                    both.forEach(each -> awaitLag(each, 0));

                    broker.freeze();
                    both.forEach(LagIT::awaitUnknown);
                    broker.thaw();
                    both.forEach(each -> awaitLag(each, 0));
                }
            }
        }
    }

    private static void awaitLag(ApplicationProcess instance, long records) {
        await("lag").atMost(SOON).untilAsserted(() -> {
            assertThat(metric(instance)).hasValue(records);
            assertThat(status(instance).path("lag_total").asLong(-1)).isEqualTo(records);
            assertThat(status(instance).path("lag").path("0").asLong(-1)).isEqualTo(records);
        });
    }

    private static void awaitUnknown(ApplicationProcess instance) {
        await("unknown lag").atMost(SOON).untilAsserted(() -> {
            assertThat(metric(instance)).isEmpty();
            assertThat(status(instance).path("lag_total").isNull()).isTrue();
            assertThat(status(instance).path("lag")).isEmpty();
        });
    }

    /** As {@code kafka-consumer-groups} counts. */
    private static long waiting(TestCluster cluster) throws Exception {
        var requests = new TopicPartition(cluster.requestsTopic(), 0);
        try (var admin = Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()))) {
            long committed = admin.listConsumerGroupOffsets(
                            cluster.settings().streams().applicationId())
                    .partitionsToOffsetAndMetadata()
                    .get()
                    .get(requests)
                    .offset();
            long end = admin.listOffsets(Map.of(requests, OffsetSpec.latest()))
                    .partitionResult(requests)
                    .get()
                    .offset();
            return end - committed;
        }
    }

    /** Returns the sum over all partitions; empty without any. */
    static OptionalLong metric(ApplicationProcess instance) {
        var told = get(instance, "/metrics")
                .lines()
                .filter(line -> line.startsWith("tollgate_lag_records{"))
                .toList();
        return told.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(told.stream()
                        .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                        .sum());
    }

    private static JsonNode status(ApplicationProcess instance) throws Exception {
        return new ObjectMapper().readTree(get(instance, "/api/status"));
    }

    private static String get(ApplicationProcess instance, String path) {
        try {
            var request = HttpRequest.newBuilder(instance.http().resolve(path)).build();
            return HttpClient.newHttpClient()
                    .send(request, HttpResponse.BodyHandlers.ofString())
                    .body();
        } catch (Exception e) {
            throw new AssertionError(path, e);
        }
    }
}
