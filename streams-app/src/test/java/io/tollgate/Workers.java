package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Workers that report the usage of holds, on a thread of their own: usually soon, sometimes late, twice, for the wrong
 * agent, without a key, or never; usually less than was reserved, sometimes more.
 */
final class Workers implements AutoCloseable {
    private static final long LATE_NANOS = 6_000_000_000L;

    private record Due(long nanos, ProducerRecord<byte[], byte[]> report) {}

    private final String topic;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final SplittableRandom random;
    private final PriorityQueue<Due> late = new PriorityQueue<>((a, b) -> Long.compare(a.nanos - b.nanos, 0));
    private final Thread thread = new Thread(this::work, "workers");
    private volatile boolean ended;

    Workers(TestCluster cluster, long seed) {
        var topics = cluster.settings().topics();
        topic = topics.usage();
        random = new SplittableRandom(seed);
        producer = cluster.producer(Map.of("linger.ms", 2));
        consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers", cluster.settings().kafka().bootstrapServers(),
                        "isolation.level", "read_committed",
                        "auto.offset.reset", "earliest"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        consumer.assign(consumer.partitionsFor(topics.approved()).stream()
                .map(part -> new TopicPartition(part.topic(), part.partition()))
                .collect(Collectors.toSet()));
        thread.setDaemon(true);
        thread.start();
    }

    private void work() {
        try (producer;
                consumer) {
            while (!ended) {
                for (var approved : consumer.poll(Duration.ofMillis(50))) {
                    if (approved.headers().lastHeader("quota-hold") != null) report(approved);
                }
                while (!late.isEmpty() && late.element().nanos - System.nanoTime() <= 0) {
                    producer.send(late.remove().report);
                }
            }
        }
    }

    private void report(ConsumerRecord<byte[], byte[]> approved) {
        String agent = new String(approved.key(), UTF_8);
        String hold = new String(approved.headers().lastHeader("quota-source").value(), UTF_8);
        double used = 0.25 * random.nextInt(8); // requests cost from 0.5 to 1.5
        int kind = random.nextInt(100);
        var report = report(kind < 3 ? agent + "0" : agent, hold, used, kind >= 10);
        if (kind >= 90) return; // died
        if (kind < 80) producer.send(report);
        else late.add(new Due(System.nanoTime() + random.nextLong(LATE_NANOS), report));
        if (kind < 6) late.add(new Due(System.nanoTime() + random.nextLong(LATE_NANOS), report));
    }

    private ProducerRecord<byte[], byte[]> report(String agent, String hold, double used, boolean keyed) {
        var json = "{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":" + used + "}";
        return new ProducerRecord<>(topic, keyed ? agent.getBytes(UTF_8) : null, json.getBytes(UTF_8));
    }

    /** Ends the work, and returns when all reports are on the topic. */
    @Override
    public void close() {
        ended = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
