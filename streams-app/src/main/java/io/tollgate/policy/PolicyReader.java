package io.tollgate.policy;

import io.tollgate.config.Settings;
import io.tollgate.metrics.RareWarning;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the topic of policies from its beginning, and goes on as long as the process lives. What goes wrong here ends no stream thread:
 * the policies known stay in force, and reading is tried again for ever. Thread-safe.
 */
public final class PolicyReader implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PolicyReader.class);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final long RETRY_MILLIS = 1000;

    private final RareWarning failures = new RareWarning(log);
    private final String topic;
    private final Map<String, Object> properties;
    private final Policies policies;
    private final Map<TopicPartition, Long> next = new HashMap<>();
    private final CountDownLatch caughtUp = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread thread = new Thread(this::run, "policies");
    private volatile @Nullable KafkaConsumer<byte[], byte[]> consumer;
    private @Nullable Map<TopicPartition, Long> ends;

    /** @param policies takes what is read */
    public PolicyReader(Settings settings, Policies policies) {
        this.topic = settings.topics().policies();
        this.policies = policies;
        properties = settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames());
        properties.remove(ConsumerConfig.GROUP_ID_CONFIG); // every instance reads everything, and commits nothing
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, "false");
        thread.setDaemon(true);
    }

    public void start() {
        thread.start();
    }

    /** Returns whether everything has been read that was there when reading began. */
    public boolean isCaughtUp() {
        return caughtUp.getCount() == 0;
    }

    /** Waits for that; returns whether it is so. */
    public boolean awaitCaughtUp(Duration timeout) throws InterruptedException {
        return caughtUp.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    private void run() {
        while (closed.getCount() > 0) {
            try (var reading =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer = reading;
                read(reading);
            } catch (WakeupException | InterruptException e) {
                return; // closed
            } catch (RuntimeException e) {
                failures.say("cannot read policies from {}, trying again: {}", topic, e.toString());
                if (awaitRetry()) return;
            }
        }
    }

    private boolean awaitRetry() {
        try {
            return closed.await(RETRY_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private void read(KafkaConsumer<byte[], byte[]> reading) {
        var partitions = reading.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
        if (partitions.isEmpty()) throw new KafkaException("the topic does not exist");
        reading.assign(partitions);
        for (var partition : partitions) {
            Long from = next.get(partition);
            if (from == null) reading.seekToBeginning(List.of(partition));
            else reading.seek(partition, from);
        }
        var target = ends;
        if (target == null) ends = target = reading.endOffsets(partitions);
        while (closed.getCount() > 0) {
            if (!isCaughtUp()
                    && target.entrySet().stream().allMatch(end -> reading.position(end.getKey()) >= end.getValue())) {
                caughtUp.countDown();
                log.info("{} policies read from {}", policies.size(), topic);
            }
            for (var record : reading.poll(POLL)) {
                policies.apply(record.partition(), record.offset(), record.key(), record.value());
                next.put(new TopicPartition(topic, record.partition()), record.offset() + 1);
            }
        }
    }

    @Override
    public void close() {
        closed.countDown();
        var reading = consumer;
        if (reading != null) reading.wakeup();
    }
}
