package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Events as a chat bot reads them, across a restart that loses the state folder. */
@Execution(ExecutionMode.CONCURRENT)
class EventsIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    @Test
    void restartTellsEachEventOnce() {
        try (var cluster = TestCluster.onSharedBroker().withLimit(20, 4);
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster);
                var events = new Events(cluster)) {
            try (var application = cluster.start()) {
                for (int i = 0; i < 60; i++) requests.send("greedy", 1, i);
                for (int i = 0; i < 5; i++) requests.send("modest", 1, i);
                decisions.await(65, application);
                await().atMost(SOON).until(() -> events.poll().size() >= 2);
                application.kill();
            }
            cluster.deleteStateDir();
            try (var application = cluster.start()) {
                for (int i = 0; i < 40; i++) requests.send("greedy", 1, 60 + i);
                decisions.await(105, application);
                await().atMost(SOON).pollInterval(Duration.ofSeconds(2)).until(() -> {
                    requests.send("greedy", 1, 1000);
                    return events.poll().size() >= 3;
                });
                application.terminate();
                assertThat(application.awaitExit(Duration.ofSeconds(15)))
                        .as(application.output())
                        .hasValue(0);
            }

            var told = events.poll();
            assertThat(told)
                    .extracting(event -> event.get("agent_id").textValue() + " "
                            + event.get("event").textValue())
                    .containsExactly("greedy near_limit", "greedy first_refusal", "greedy recovered");
            assertThat(told.get(0).get("remaining").doubleValue()).isBetween(3.0, 4.0);
            for (var event : told) {
                var decision = decisions.poll().stream()
                        .filter(seen -> seen.source().equals(source(event)))
                        .findFirst()
                        .orElseThrow();
                assertThat(decision.header("quota-decided-at"))
                        .isEqualTo(event.get("at").asText());
                assertThat(decision.header("quota-remaining"))
                        .isEqualTo(event.get("remaining").asText());
                assertThat(decision.approved())
                        .isEqualTo(!event.get("event").textValue().equals("first_refusal"));
            }
        }
    }

    @Test
    void eventNamesTheDailyLimit() throws Exception {
        var day = "{\"limits\":[{\"name\":\"burst\",\"capacity\":60,\"refill_rate\":1000},"
                + "{\"name\":\"day\",\"capacity\":100,\"refill_rate\":0}]}";
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis();
                var policies = cluster.producer(Map.of())) {
            policies.send(new ProducerRecord<>(
                            cluster.settings().topics().policies(), "steady".getBytes(UTF_8), day.getBytes(UTF_8)))
                    .get();
            try (var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster);
                    var events = new Events(cluster);
                    var application = cluster.start()) {
                for (int half = 1; half <= 2; half++) {
                    for (int i = 0; i < 45; i++) requests.send("steady", 1, i);
                    decisions.await(45 * half, application);
                }
                await().atMost(SOON).until(() -> !events.poll().isEmpty());

                var told = events.poll().get(0);
                assertThat(told.get("event").textValue()).isEqualTo("near_limit");
                assertThat(told.get("limit").textValue()).isEqualTo("day");
                assertThat(told.get("remaining").doubleValue()).isEqualTo(20);
            }
        }
    }

    /** The bucket is reset while traffic flows. Then the pipeline dies, and Redis is changed without an event. */
    @Test
    void resetIsAnEventAForgeryIsNot() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(10, 0).with("REDIS_URL", redis.uri());
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            try (var application = cluster.start()) {
                for (int i = 0; i < 15; i++) requests.send("filled", 1, i);
                decisions.await(15, application);
                assertThat(reset(application, "filled")).isEqualTo(200);
                for (int i = 0; i < 15; i++) requests.send("filled", 1, i);
                decisions.await(30, application);
                application.kill();
            }
            try (var application = cluster.start()) {
                for (int i = 0; i < 5; i++) requests.send("filled", 1, i);
                decisions.await(35, application);
                assertThat(decisions.poll())
                        .filteredOn(Decisions.Seen::approved)
                        .hasSize(20);
                assertThat(resets(cluster, "filled")).singleElement().satisfies(event -> {
                    assertThat(event.get("by").textValue()).startsWith("api:");
                    assertThat(event.get("policy").textValue()).isEqualTo("default");
                    assertThat(event.get("remaining").doubleValue()).isEqualTo(10);
                });
                assertThat(verify(cluster)).isZero();

                redis.ask("HSET quota:filled:tokens tokens 10");
                await().atMost(SOON).until(() -> {
                    requests.send("filled", 1, 0);
                    return decisions.poll().stream()
                                    .filter(Decisions.Seen::approved)
                                    .count()
                            > 20;
                });
                decisions.await(requests.published().size(), application);
                assertThat(verify(cluster)).isEqualTo(1);
            }
        }
    }

    private static int reset(ApplicationProcess application, String agentId) throws Exception {
        var request = HttpRequest.newBuilder(application.http().resolve("/api/agents/" + agentId + "/reset"))
                .POST(HttpRequest.BodyPublishers.noBody())
                .build();
        return HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.discarding())
                .statusCode();
    }

    private static List<JsonNode> resets(TestCluster cluster, String agentId) {
        try (var events = new Events(cluster)) {
            return events.all().stream()
                    .filter(event -> event.get("event").textValue().equals("bucket_reset")
                            && event.get("agent_id").textValue().equals(agentId))
                    .toList();
        }
    }

    private static int verify(TestCluster cluster) {
        return cluster.command("verify", "--from-beginning").exitCode();
    }

    private static String source(JsonNode event) {
        var source = event.get("source");
        return source.get("topic").textValue() + "/" + source.get("partition") + "/" + source.get("offset");
    }

    /** The events of one cluster's requests: all tests share the topic. */
    private static final class Events implements AutoCloseable {
        private final String requestsTopic;
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final List<JsonNode> seen = new ArrayList<>();

        Events(TestCluster cluster) {
            requestsTopic = cluster.requestsTopic();
            consumer = new KafkaConsumer<>(
                    Map.<String, Object>of(
                            "bootstrap.servers", TestCluster.sharedBroker(), "isolation.level", "read_committed"),
                    new ByteArrayDeserializer(),
                    new ByteArrayDeserializer());
            var topic = cluster.settings().topics().events();
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(info -> new TopicPartition(topic, info.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
        }

        /** Returns the events of all clusters, as many as there are now. */
        List<JsonNode> all() {
            var ends = consumer.endOffsets(consumer.assignment());
            var all = new ArrayList<JsonNode>();
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> all.add(Decisions.json(record.value())));
            }
            return all;
        }

        List<JsonNode> poll() {
            for (var record : consumer.poll(Duration.ofMillis(200))) {
                var event = Decisions.json(record.value());
                if (event.at("/source/topic").asText().equals(requestsTopic)) seen.add(event);
            }
            return List.copyOf(seen);
        }

        @Override
        public void close() {
            consumer.close();
        }
    }
}
