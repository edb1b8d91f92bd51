package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * An agent that reserves and reports, and the outcomes as a {@code read_committed} consumer sees them. On a broker of
 * its own. Not thread-safe.
 */
final class Holds implements AutoCloseable {
    private final TestCluster cluster;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String approvedTopic;
    private final List<ConsumerRecord<byte[], byte[]>> approved = new ArrayList<>();
    private final List<ConsumerRecord<byte[], byte[]>> settled = new ArrayList<>();

    Holds(TestCluster cluster) {
        this.cluster = cluster;
        var topics = cluster.settings().topics();
        producer = cluster.producer(Map.of("linger.ms", 2));
        approvedTopic = topics.approved();
        consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers", cluster.settings().kafka().bootstrapServers(),
                        "isolation.level", "read_committed",
                        "auto.offset.reset", "earliest"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        consumer.assign(Stream.of(approvedTopic, topics.settled())
                .flatMap(topic -> consumer.partitionsFor(topic).stream())
                .map(part -> new TopicPartition(part.topic(), part.partition()))
                .toList());
    }

    void reserve(String agent, double tokens) {
        send(
                cluster.requestsTopic(),
                agent,
                "{\"agent_id\":\"" + agent + "\",\"tokens\":" + tokens + ",\"hold\":true}");
    }

    void report(String agent, String hold, double tokens) {
        send(
                cluster.settings().topics().usage(),
                agent,
                "{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":" + tokens + "}");
    }

    void flush() {
        producer.flush();
    }

    private void send(String topic, String agent, String json) {
        producer.send(new ProducerRecord<>(topic, agent.getBytes(UTF_8), json.getBytes(UTF_8)));
    }

    private void poll() {
        consumer.poll(Duration.ofMillis(50)).forEach(record -> {
            if (record.topic().equals(approvedTopic)) approved.add(record);
            else settled.add(record);
        });
    }

    /** Returns all approvals so far. */
    List<ConsumerRecord<byte[], byte[]>> approved() {
        poll();
        return approved;
    }

    /** Returns all settlements so far. */
    List<JsonNode> settled() {
        poll();
        return settled.stream().map(record -> Decisions.json(record.value())).toList();
    }

    static String agent(ConsumerRecord<byte[], byte[]> record) {
        return new String(record.key(), UTF_8);
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        return new String(record.headers().lastHeader(name).value(), UTF_8);
    }

    @Override
    public void close() {
        producer.close();
        consumer.close();
    }
}
