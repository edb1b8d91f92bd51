package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.tollgate.sandbox.process.OwnThread;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Publishes requests and remembers them by {@code quota-source}. Thread-safe. */
final class Requests implements AutoCloseable {
    /** An hour ago: distinct from the broker's time, and safe from retention while the test runs. */
    private static final long FIRST_TIMESTAMP = System.currentTimeMillis() - 3_600_000;

    /** @param agent null if the record is not a request */
    record Published(String agent, double costTokens, byte[] value, long timestamp) {}

    private final String topic;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Map<String, Published> published = new ConcurrentHashMap<>();

    Requests(TestCluster cluster) {
        topic = cluster.requestsTopic();
        producer = cluster.producer(Map.of("linger.ms", 2));
    }

    /** As Kafka's own Java producer does it. */
    void send(String agent, double costTokens, long number) {
        send(agent, costTokens, number, false);
    }

    /** @param hold whether it asks for a hold */
    void send(String agent, double costTokens, long number, boolean hold) {
        send(null, utf8(agent), agent, costTokens, number, hold);
    }

    /** As librdkafka places keys by default, which serves Python, Go and C. */
    void sendByCrc32(String agent, double costTokens, long number) {
        sendByCrc32(agent, costTokens, number, false);
    }

    void sendByCrc32(String agent, double costTokens, long number, boolean hold) {
        var crc = new CRC32();
        crc.update(utf8(agent));
        send((int) (crc.getValue() % TestCluster.PARTITIONS), utf8(agent), agent, costTokens, number, hold);
    }

    void sendWithoutKey(String agent, double costTokens, long number) {
        sendWithoutKey(agent, costTokens, number, false);
    }

    void sendWithoutKey(String agent, double costTokens, long number, boolean hold) {
        send((int) (number % TestCluster.PARTITIONS), null, agent, costTokens, number, hold);
    }

    void sendUnreadable(byte[] key, byte[] value) {
        send(new ProducerRecord<>(topic, null, FIRST_TIMESTAMP, key, value), null, 0);
    }

    private void send(Integer partition, byte[] key, String agent, double costTokens, long number, boolean hold) {
        Headers headers =
                new RecordHeaders().add("number", utf8(Long.toString(number))).add("quota-decision", utf8("forged"));
        var record = new ProducerRecord<>(
                topic, partition, FIRST_TIMESTAMP + number, key, value(agent, costTokens, number, hold), headers);
        send(record, agent, costTokens);
    }

    private void send(ProducerRecord<byte[], byte[]> record, String agent, double costTokens) {
        producer.send(record, (metadata, failure) -> {
            if (failure == null) {
                published.put(
                        topic + "/" + metadata.partition() + "/" + metadata.offset(),
                        new Published(agent, costTokens, record.value(), record.timestamp()));
            }
        });
    }

    /**
     * Publishes as long as {@code more} is true: a request of each of {@code agents} agents every {@code pauseMillis}.
     */
    Future<?> keepSending(int agents, double costTokens, long pauseMillis, BooleanSupplier more) {
        return OwnThread.run(() -> {
            for (long round = 0; more.getAsBoolean(); round++) {
                for (int agent = 0; agent < agents; agent++) send("agent-" + agent, costTokens, round * agents + agent);
                LockSupport.parkNanos(pauseMillis * 1_000_000);
            }
            producer.flush();
        });
    }

    /** Returns the acknowledged requests by {@code quota-source}. */
    Map<String, Published> published() {
        producer.flush();
        return Map.copyOf(published);
    }

    /** Returns how many the broker has acknowledged so far. */
    int acknowledged() {
        return published.size();
    }

    static byte[] value(String agent, double costTokens, long number) {
        return value(agent, costTokens, number, false);
    }

    private static byte[] value(String agent, double costTokens, long number, boolean hold) {
        return utf8("{ \"request_id\":\"r-" + number + "\",\"agent_id\":\"" + agent + "\",\"tokens\":" + costTokens
                + (hold ? ",\"hold\":true" : "") + ",\"payload\":[1.10,\"é\"]}");
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }

    @Override
    public void close() {
        producer.close();
    }
}
