package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.KafkaBroker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Agents whose clocks are wrong by years, and a broker that checks retention every second. */
@Order(2) // rather long, and one after the other
class TimestampsIT {
    private static final Duration SOON = Duration.ofSeconds(90);
    private static final int REQUESTS = 400;
    private static final long EIGHT_DAYS = Duration.ofDays(8).toMillis();

    @TempDir
    private Path dir;

    @Test
    void farTimestampsLoseNoRecord() throws Exception {
        farTimestampsLoseNoRecord("at_least_once");
    }

    @Tag("faults")
    @Test
    void farTimestampsLoseNoRecord_exactlyOnce() throws Exception {
        farTimestampsLoseNoRecord("exactly_once_v2");
    }

    private void farTimestampsLoseNoRecord(String guarantee) throws Exception {
        var options = KafkaBroker.BrokerOptions.defaults()
                .withDir(dir)
                .withProperty("log.retention.check.interval.ms", "1000")
                .withProperty("log.initial.task.delay.ms", "1000");
        try (var broker = KafkaBroker.start(options);
                var cluster = TestCluster.on(broker.bootstrapServers())
                        .withLimit(REQUESTS / 8.0, 0)
                        .with("TOLLGATE_PROCESSING_GUARANTEE", guarantee)) {
            cluster.createTopics();
            try (var application = cluster.start();
                    var decisions = new Decisions(cluster)) {
                publish(cluster);

                var decided = decisions.await(REQUESTS, application);

                assertThat(decided).hasSize(REQUESTS);
                assertThat(decided).anyMatch(Decisions.Seen::approved).anyMatch(seen -> !seen.approved());
                awaitRetention(cluster);
                awaitRetention(cluster);
                assertThat(retained(cluster)).isEqualTo(REQUESTS);
                assertThat(segments())
                        .allSatisfy(
                                (log, segments) -> assertThat(segments).as(log).isLessThanOrEqualTo(3));
                assertThat(farOff(cluster)).isEmpty();
            }
        }
    }

    /**
     * Timestamps in seconds instead of milliseconds, none, the largest one, and ones eight days apart; strays
     * among them.
     */
    private static void publish(TestCluster cluster) throws Exception {
        long now = System.currentTimeMillis();
        try (var producer = cluster.producer(Map.of("linger.ms", 0, "batch.size", 0))) {
            for (int i = 0; i < REQUESTS; i++) {
                // The first on each partition is right, so that none is deleted there before it is read.
                boolean right = i < TestCluster.PARTITIONS;
                long timestamp = switch (right ? -1 : i % 8) {
                    case -1 -> now;
                    case 0 -> now / 1000;
                    case 1 -> Long.MAX_VALUE;
                    case 2 -> 0;
                    default -> now + (i - REQUESTS / 2) * EIGHT_DAYS;
                };
                producer.send(new ProducerRecord<>(
                        cluster.requestsTopic(),
                        i % TestCluster.PARTITIONS,
                        Math.max(0, timestamp),
                        null,
                        Requests.value(right ? "keeper" : "agent-" + i % 5, 1, i)));
                if (i % 50 == 0) producer.flush(); // so that it is not all one batch
            }
        }
    }

    /** Once the broker has emptied a topic made for this purpose, it has checked all others as well. */
    private static void awaitRetention(TestCluster cluster) throws Exception {
        var canary = new TopicPartition("canary-" + System.nanoTime(), 0);
        try (var admin = admin(cluster);
                var producer = cluster.producer(Map.of())) {
            admin.createTopics(List.of(new NewTopic(canary.topic(), 1, (short) 1)))
                    .all()
                    .get();
            producer.send(new ProducerRecord<>(canary.topic(), 0, 1_000L, null, new byte[1]))
                    .get();
            await("retention")
                    .atMost(SOON)
                    .until(() -> admin.listOffsets(Map.of(canary, OffsetSpec.earliest()))
                                    .partitionResult(canary)
                                    .get()
                                    .offset()
                            == 1);
        }
    }

    private static long retained(TestCluster cluster) {
        var topics = cluster.settings().topics();
        return read(cluster, List.of(topics.approved(), topics.rejected())).size();
    }

    /** Returns the application's records with an impossible timestamp. */
    private static List<String> farOff(TestCluster cluster) throws Exception {
        var settings = cluster.settings();
        List<String> topics;
        try (var admin = admin(cluster)) {
            topics = admin.listTopics().names().get().stream()
                    .filter(name -> !name.equals(settings.topics().requests()) && !name.startsWith("canary"))
                    .toList();
        }
        assertThat(topics)
                .anyMatch(name -> name.endsWith("-changelog"))
                .anyMatch(name -> name.endsWith("-rekeyed-repartition"));
        long now = System.currentTimeMillis();
        return read(cluster, topics).stream()
                .filter(record ->
                        Math.abs(record.timestamp() - now) > Duration.ofDays(2).toMillis())
                .map(record -> record.topic() + " " + record.timestamp())
                .distinct()
                .toList();
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(TestCluster cluster, List<String> topics) {
        try (var consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers",
                        cluster.settings().kafka().bootstrapServers(),
                        "isolation.level",
                        "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            var partitions = topics.stream()
                    .flatMap(topic -> consumer.partitionsFor(topic).stream())
                    .map(each -> new TopicPartition(each.topic(), each.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            var found = Stream.<ConsumerRecord<byte[], byte[]>>builder();
            await("the end").atMost(SOON).until(() -> {
                consumer.poll(Duration.ofMillis(50)).forEach(found::add);
                return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
            });
            return found.build().toList();
        }
    }

    /** Returns how many segments each partition has, by its folder. */
    private Map<String, Long> segments() throws IOException {
        try (var files = Files.walk(dir.resolve("data"))) {
            return files.filter(file -> file.toString().endsWith(".log"))
                    .collect(Collectors.groupingBy(
                            file -> file.getParent().getFileName().toString(), TreeMap::new, Collectors.counting()));
        }
    }

    private static Admin admin(TestCluster cluster) {
        return Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()));
    }
}
