package io.tollgate.sandbox;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A part of the sample traffic, on a daemon thread of its own. Closed, it ends as soon as its work can. */
abstract class TrafficThread implements AutoCloseable {
    private static final long PATIENCE_MILLIS = 10_000;

    private final Thread thread;
    private volatile boolean closing;

    TrafficThread(String name) {
        thread = new Thread(this::workUntilInterrupted, name);
        thread.setDaemon(true);
    }

    /** Works until {@link #isClosing}, or until nothing is left to do. */
    abstract void work();

    private void workUntilInterrupted() {
        try {
            work();
        } catch (InterruptException closed) {
            // By close(), which had no more patience.
        }
    }

    final void start() {
        thread.start();
    }

    final boolean isClosing() {
        return closing;
    }

    /** Returns whether the work has ended. */
    final boolean isDone() {
        return !thread.isAlive();
    }

    /** Returns when the work has ended, or after ten seconds. */
    @Override
    public final void close() {
        closing = true;
        try {
            thread.join(PATIENCE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        thread.interrupt();
    }

    /** Returns a consumer of committed records, with no topic yet. */
    static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> client) {
        var config = new HashMap<>(client);
        config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Lets the consumer read what is committed to these topics from now on. */
    static void readFromNow(KafkaConsumer<?, ?> consumer, Collection<String> topics) {
        var partitions = topics.stream()
                .flatMap(topic -> partitions(consumer, topic).stream())
                .toList();
        consumer.assign(partitions);
        consumer.seekToEnd(partitions);
        partitions.forEach(consumer::position); // seeks are lazy: without this the end would be that of the first poll
    }

    static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        return consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
    }
}
