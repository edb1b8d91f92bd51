package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.ApplicationProcess;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;

/** The decided topics as a {@code read_committed} consumer sees them, and checks of the promises. Not thread-safe. */
final class Decisions implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** @param agent null if the record was not a request */
    record Seen(String agent, boolean approved, double costTokens, ConsumerRecord<byte[], byte[]> record) {
        String header(String name) {
            var header = record.headers().lastHeader(name);
            return header == null ? "" : new String(header.value(), UTF_8);
        }

        long decidedAtMicros() {
            return Long.parseLong(header("quota-decided-at"));
        }

        double remaining() {
            return Double.parseDouble(header("quota-remaining"));
        }

        String source() {
            return header("quota-source");
        }
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final List<TopicPartition> partitions;
    private final String approvedTopic;
    private final List<Seen> seen = new ArrayList<>();

    Decisions(TestCluster cluster) {
        var settings = cluster.settings();
        approvedTopic = settings.topics().approved();
        consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers", settings.kafka().bootstrapServers(),
                        "isolation.level", "read_committed",
                        "auto.offset.reset", "earliest"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        partitions = Stream.of(approvedTopic, settings.topics().rejected())
                .flatMap(
                        topic -> IntStream.range(0, TestCluster.PARTITIONS).mapToObj(p -> new TopicPartition(topic, p)))
                .toList();
        consumer.assign(partitions);
    }

    /** Returns all decisions seen so far. */
    List<Seen> poll() {
        consumer.poll(Duration.ofMillis(100)).forEach(record -> seen.add(read(record)));
        return seen;
    }

    /** Returns decisions not seen before, without remembering them. */
    List<Seen> take() {
        var fresh = new ArrayList<Seen>();
        consumer.poll(Duration.ofMillis(100)).forEach(record -> fresh.add(read(record)));
        return fresh;
    }

    /** Reads until there are so many, and on to the end of the topics, so that surplus ones would show. */
    List<Seen> await(int count, ApplicationProcess application) {
        try {
            Awaitility.await("decisions")
                    .pollInterval(Duration.ofMillis(1))
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> poll().size() >= count);
        } catch (ConditionTimeoutException stuck) {
            throw new AssertionError(seen.size() + " of " + count + " decided\n" + application.output(), stuck);
        }
        Awaitility.await("the end")
                .pollInterval(Duration.ofMillis(1))
                .atMost(Duration.ofSeconds(20))
                .until(() -> {
                    poll();
                    return consumer.endOffsets(partitions).entrySet().stream()
                            .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
                });
        return seen;
    }

    private Seen read(ConsumerRecord<byte[], byte[]> record) {
        var json = json(record.value());
        return new Seen(
                json.hasNonNull("agent_id") ? json.get("agent_id").textValue() : null,
                record.topic().equals(approvedTopic),
                json.path("tokens").doubleValue(),
                record);
    }

    static JsonNode json(byte[] value) {
        try {
            return JSON.readTree(value);
        } catch (IOException e) {
            throw new AssertionError("a decided record is JSON: " + new String(value, UTF_8), e);
        }
    }

    /** Each published record has exactly one decision, under its agent's key, with its bytes, headers and timestamp. */
    void conserve(Map<String, Requests.Published> published) {
        var sources = new HashSet<String>();
        for (Seen decision : seen) {
            assertThat(sources.add(decision.source()))
                    .as("decided once: " + decision.source())
                    .isTrue();
            var request = published.get(decision.source());
            assertThat(request).as("published: " + decision.source()).isNotNull();
            assertThat(decision.record().timestamp()).isEqualTo(request.timestamp());
            if (request.agent() == null) {
                assertThat(decision.header("quota-reason")).isEqualTo("invalid_request");
                continue;
            }
            assertThat(new String(decision.record().key(), UTF_8)).isEqualTo(request.agent());
            assertThat(decision.header("quota-decision")).isEqualTo(decision.approved() ? "approved" : "rejected");
            assertThat(decision.header("number")).isNotEmpty();
            if (decision.approved()) assertThat(decision.record().value()).isEqualTo(request.value());
            else assertThat(new String(decision.record().value(), UTF_8)).contains(new String(request.value(), UTF_8));
        }
        var missing = new HashSet<>(published.keySet());
        missing.removeAll(sources);
        assertThat(missing).as("published, but never decided").isEmpty();
    }

    /** Per agent and partition of the requests, the decisions on each topic stand in the requests' order. */
    void keepOrder() {
        var last = new HashMap<String, Long>();
        for (Seen decision : seen) {
            if (decision.agent() == null) continue;
            int slash = decision.source().lastIndexOf('/');
            long offset = Long.parseLong(decision.source().substring(slash + 1));
            var before = last.put(
                    decision.agent() + " " + decision.approved() + " "
                            + decision.source().substring(0, slash),
                    offset);
            if (before != null)
                assertThat(offset).as("after %d: %s", before, decision.source()).isGreaterThan(before);
        }
    }

    /** In no interval are more tokens approved than capacity + rate × (its length + 50 ms). */
    void admitNoMoreThan(double capacity, double refillPerSecond) {
        byAgent().forEach((agent, decisions) -> {
            var approvals = decisions.stream()
                    .filter(Seen::approved)
                    .sorted(Comparator.comparingLong(Seen::decidedAtMicros))
                    .toList();
            if (approvals.isEmpty()) return;
            long start = approvals.get(0).decidedAtMicros();
            double sum = 0;
            double most = Double.NEGATIVE_INFINITY;
            for (Seen approval : approvals) {
                double refilled = refillPerSecond * (approval.decidedAtMicros() - start) / 1e6;
                most = Math.max(most, refilled - sum);
                sum += approval.costTokens();
                assertThat(sum - refilled + most)
                        .as("tokens that %s got above its refill, until %s", agent, approval.source())
                        .isLessThanOrEqualTo(capacity + refillPerSecond * 0.05 + 1e-6);
            }
        });
    }

    Map<String, List<Seen>> byAgent() {
        return seen.stream().filter(decision -> decision.agent() != null).collect(Collectors.groupingBy(Seen::agent));
    }

    @Override
    public void close() {
        consumer.close();
    }
}
