package io.tollgate.sandbox;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.SandboxTopics;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Workers for approved requests with a hold, on a thread of their own. They report their usage, which is usually
 * below the reserved tokens and sometimes above. One in twenty dies at work and reports nothing. They also read
 * the settlements.
 */
final class SampleWorkers extends TrafficThread {
    static final Worked NONE = new Worked(0, 0, 0, 0, 0, 0, 0, 0, 0);

    private static final int DIES_ONE_IN = 20;

    /**
     * The figures of holds so far.
     *
     * @param holds approved requests with a hold
     * @param reported how many of them were reported
     * @param answered settlements that answer a report
     */
    record Worked(
            long holds,
            long reported,
            long answered,
            long settled,
            long expired,
            double reserved,
            double used,
            double refunded,
            double overrun) {
        /** Returns these figures as text; empty without holds. */
        List<String> lines() {
            if (holds == 0) return List.of();
            return List.of(
                    String.format(
                            Locale.ROOT,
                            "%,d, %,.0f tokens reserved; %,d settled, %,d expired, %,d open (their workers died)",
                            holds,
                            reserved,
                            settled,
                            expired,
                            holds - settled - expired),
                    String.format(
                            Locale.ROOT,
                            "%,.0f tokens used, %,.0f refunded, %,.0f used beyond what was reserved",
                            used,
                            refunded,
                            overrun));
        }
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> settlements;
    private final SplittableRandom random;
    private final ObjectMapper json = new ObjectMapper();
    private long holds;
    private long reported;
    private long answered;
    private long settled;
    private long expired;
    private double reserved;
    private double used;
    private double refunded;
    private double overrun;

    private SampleWorkers(
            KafkaConsumer<byte[], byte[]> consumer,
            KafkaProducer<byte[], byte[]> producer,
            KafkaConsumer<byte[], byte[]> settlements,
            SplittableRandom random) {
        super("sample-workers");
        this.consumer = consumer;
        this.producer = producer;
        this.settlements = settlements;
        this.random = random;
    }

    /**
     * Starts to work on requests approved from now on.
     *
     * @param worker login of workers
     * @param auditor login of readers of settlements
     */
    static SampleWorkers start(Map<String, Object> worker, Map<String, Object> auditor, SplittableRandom random) {
        var workers = new SampleWorkers(
                fromNow(worker, SandboxTopics.APPROVED),
                new KafkaProducer<>(worker, new ByteArraySerializer(), new ByteArraySerializer()),
                fromNow(auditor, SandboxTopics.SETTLED),
                random);
        workers.start();
        return workers;
    }

    private static KafkaConsumer<byte[], byte[]> fromNow(Map<String, Object> client, String topic) {
        var consumer = consumer(client);
        readFromNow(consumer, List.of(topic));
        return consumer;
    }

    @Override
    void work() {
        try (consumer;
                producer;
                settlements) {
            while (!isClosing()) {
                for (var approved : consumer.poll(Duration.ofMillis(50))) {
                    if (approved.headers().lastHeader("quota-hold") != null) report(approved);
                }
                for (var settlement : settlements.poll(Duration.ofMillis(1))) count(json.readTree(settlement.value()));
            }
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible); // the pipeline writes JSON, and so do sample agents
        }
    }

    private void report(ConsumerRecord<byte[], byte[]> approved) throws IOException {
        double tokens = json.readTree(approved.value()).path("tokens").asDouble(1);
        boolean dies = random.nextInt(DIES_ONE_IN) == 0;
        synchronized (this) {
            holds++;
            reserved += tokens;
            if (!dies) reported++;
        }
        if (dies) return;
        byte[] hold = approved.headers().lastHeader("quota-source").value();
        var report = json.createObjectNode()
                .put("agent_id", new String(approved.key(), StandardCharsets.UTF_8))
                .put("hold", new String(hold, StandardCharsets.UTF_8))
                .put("tokens", random.nextInt((int) (tokens * 1.1) + 1));
        int partitions = producer.partitionsFor(SandboxTopics.USAGE).size();
        int home = SampleAgents.murmur2Partition(approved.key(), partitions);
        producer.send(new ProducerRecord<>(SandboxTopics.USAGE, home, approved.key(), json.writeValueAsBytes(report)));
    }

    private synchronized void count(JsonNode settlement) {
        var outcome = settlement.path("outcome").asText();
        double tokens = settlement.path("refunded").asDouble();
        if (outcome.equals("settled")) settled++;
        if (outcome.equals("expired")) expired++;
        else answered++;
        if (outcome.equals("settled") || outcome.equals("expired"))
            used += settlement.path("used").asDouble();
        refunded += Math.max(0, tokens);
        overrun += Math.max(0, -tokens);
    }

    /** Returns the figures of holds so far. */
    synchronized Worked worked() {
        return new Worked(holds, reported, answered, settled, expired, reserved, used, refunded, overrun);
    }
}
