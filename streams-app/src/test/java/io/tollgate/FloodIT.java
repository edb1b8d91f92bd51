package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Utils;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Measures the cost of a flood of 1 MB records on one partition for agents on the others. A flood of invalid records
 * must cost no more than one of requests, which have the same bytes and are written once more.
 */
@Tag("soak")
class FloodIT {
    private static final int FLOODED = 0;
    private static final int FLOOD_BYTES = 1_000_000;
    private static final int FLOOD_PER_SECOND = 20;
    private static final int OTHERS_PER_SECOND = 200;
    private static final int SECONDS = 15;

    private static final String FLOODER =
            agents("flood-").filter(id -> home(id) == FLOODED).findFirst().orElseThrow();
    private static final List<String> OTHERS =
            agents("other-").filter(id -> home(id) != FLOODED).limit(30).toList();

    private record Figures(long medianMillis, long p99Millis, long mostMillis, double floodPerSecond, long heapMb) {}

    @Test
    void invalidFloodDelaysOthersLittle() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(1e9, 0).with("REDIS_URL", redis.uri());
                var application = cluster.start()) {
            run("warming up", cluster, application, null);
            var quiet = run("no flood", cluster, application, null);
            var bytes = run("requests of 1 MB", cluster, application, filled("{\"agent_id\":\"" + FLOODER + "\"}"));
            var invalid = run("invalid records of 1 MB", cluster, application, filled("garbage"));

            assertThat(quiet.medianMillis()).isLessThan(1000);
            assertThat(invalid.medianMillis()).isLessThanOrEqualTo(2 * bytes.medianMillis() + 100);
            assertThat(application.isReady()).isTrue();
        }
    }

    /** @param flood the flooding records; null if there are none */
    private static Figures run(String name, TestCluster cluster, ApplicationProcess application, byte[] flood)
            throws Exception {
        var waits = new ArrayList<Long>();
        int floods = 0;
        int sent = 0;
        int flooded = 0;
        long heap = 0;
        try (var consumer = consumer(cluster);
                var others = cluster.producer(Map.of("linger.ms", 0));
                var flooding = cluster.producer(Map.of("linger.ms", 0, "batch.size", 0))) {
            long start = System.nanoTime();
            long lastDecided = start;
            long nextHeap = start;
            long deadline = start + (SECONDS + 60) * 1_000_000_000L;
            int all = SECONDS * OTHERS_PER_SECOND;
            int allFloods = flood == null ? 0 : SECONDS * FLOOD_PER_SECOND;
            while ((waits.size() < all || floods < allFloods) && System.nanoTime() < deadline) {
                double seconds = (System.nanoTime() - start) / 1e9;
                for (; sent < Math.min(all, seconds * OTHERS_PER_SECOND); sent++) sendOther(others, cluster, sent);
                for (; flooded < Math.min(allFloods, seconds * FLOOD_PER_SECOND); flooded++)
                    flooding.send(new ProducerRecord<>(cluster.requestsTopic(), FLOODER.getBytes(UTF_8), flood));
                for (var record : consumer.poll(Duration.ofMillis(5))) {
                    if (isOther(record)) waits.add(System.currentTimeMillis() - record.timestamp());
                    else {
                        floods++;
                        lastDecided = System.nanoTime();
                    }
                }
                if (System.nanoTime() < nextHeap) continue;
                heap = Math.max(heap, heapBytes(application));
                nextHeap += 250_000_000;
            }
            assertThat(waits).as("decided, of the others").hasSize(all);
            assertThat(floods).as("decided, of the flood").isEqualTo(allFloods);
            var sorted = waits.stream().sorted().toList();
            var figures = new Figures(
                    sorted.get(all / 2),
                    sorted.get(all * 99 / 100),
                    sorted.get(all - 1),
                    floods / Math.max(1e-9, (lastDecided - start) / 1e9),
                    heap >> 20);
            System.out.println("flood: " + name + ": " + figures);
            return figures;
        }
    }

    /** Sends a small request of an agent whose home is not the flooded partition. */
    private static void sendOther(KafkaProducer<byte[], byte[]> producer, TestCluster cluster, int number) {
        var agent = OTHERS.get(number % OTHERS.size());
        producer.send(new ProducerRecord<>(
                cluster.requestsTopic(), null, agent.getBytes(UTF_8), Requests.value(agent, 1, number)));
    }

    private static Stream<String> agents(String prefix) {
        return IntStream.range(0, 100).mapToObj(i -> prefix + i);
    }

    private static int home(String agent) {
        return Utils.toPositive(Utils.murmur2(agent.getBytes(UTF_8))) % TestCluster.PARTITIONS;
    }

    private static boolean isOther(ConsumerRecord<byte[], byte[]> record) {
        return record.key() != null && new String(record.key(), UTF_8).startsWith("other-");
    }

    private static byte[] filled(String start) {
        var bytes = new byte[FLOOD_BYTES];
        Arrays.fill(bytes, (byte) ' ');
        System.arraycopy(start.getBytes(UTF_8), 0, bytes, 0, start.length());
        return bytes;
    }

    private static KafkaConsumer<byte[], byte[]> consumer(TestCluster cluster) {
        var consumer = new KafkaConsumer<>(
                Map.<String, Object>of(
                        "bootstrap.servers", TestCluster.sharedBroker(), "isolation.level", "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        var topics = cluster.settings().topics();
        var partitions = Stream.of(topics.approved(), topics.rejected())
                .flatMap(
                        topic -> IntStream.range(0, TestCluster.PARTITIONS).mapToObj(p -> new TopicPartition(topic, p)))
                .toList();
        consumer.assign(partitions);
        consumer.seekToEnd(partitions);
        partitions.forEach(consumer::position);
        return consumer;
    }

    private static long heapBytes(ApplicationProcess application) throws Exception {
        var request =
                HttpRequest.newBuilder(application.http().resolve("/metrics")).build();
        List<String> lines = HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofLines())
                .body()
                .filter(line -> line.startsWith("jvm_memory_used_bytes{") && line.contains("area=\"heap\""))
                .toList();
        return (long) lines.stream()
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
