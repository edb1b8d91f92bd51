package io.tollgate.sandbox;

import io.tollgate.sandbox.process.SandboxTopics;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads decisions committed from now on into a {@link DecisionTally}, on a thread of its own. */
final class DecisionReader implements AutoCloseable {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final DecisionTally tally;
    private final Thread thread = new Thread(this::read, "decisions");
    private volatile boolean closing;

    private DecisionReader(KafkaConsumer<byte[], byte[]> consumer, DecisionTally tally) {
        this.consumer = consumer;
        this.tally = tally;
    }

    /** Starts to read; requests already on their topic are not counted. */
    static DecisionReader start(Map<String, Object> client) {
        var config = new HashMap<>(client);
        config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> requests = partitions(consumer, SandboxTopics.REQUESTS);
        consumer.assign(requests);
        var firstOffsets = new long[requests.size()];
        consumer.endOffsets(requests).forEach((partition, end) -> firstOffsets[partition.partition()] = end);

        List<TopicPartition> decisions = SandboxTopics.decisions().stream()
                .flatMap(topic -> partitions(consumer, topic).stream())
                .toList();
        consumer.assign(decisions);
        consumer.seekToEnd(decisions);
        decisions.forEach(consumer::position); // seeks are lazy: without this the end would be that of the first poll
        var reader = new DecisionReader(consumer, new DecisionTally(firstOffsets));
        reader.thread.setDaemon(true);
        reader.thread.start();
        return reader;
    }

    private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        return consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
    }

    DecisionTally tally() {
        return tally;
    }

    private void read() {
        try (consumer) {
            boolean last = false;
            while (!last) {
                last = closing
                        && atEnd(); // then one more poll, because the decision behind the last may be a duplicate
                for (var decision : consumer.poll(Duration.ofMillis(100))) {
                    byte[] key = decision.key();
                    tally.decided(key == null ? null : new String(key, StandardCharsets.UTF_8), decision.headers());
                }
            }
        } catch (InterruptException closed) {
            // By close(), which had no more patience.
        }
    }

    private boolean atEnd() {
        Set<TopicPartition> assigned = consumer.assignment();
        return consumer.endOffsets(assigned).entrySet().stream()
                .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }

    /** Returns when everything that was committed before the call has been counted, or after ten seconds. */
    @Override
    public void close() {
        closing = true;
        try {
            thread.join(10_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        thread.interrupt();
    }
}
