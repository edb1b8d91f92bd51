package io.tollgate.kafka;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads committed records of topics between two moments, without joining a group. Not thread-safe.
 *
 * <p>Every method throws a {@link TimeoutException} if the brokers do not answer, and an {@link
 * UnknownTopicOrPartitionException} if a topic does not exist.
 */
public final class TopicLog implements AutoCloseable {
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration STALLED = Duration.ofSeconds(60);

    private final KafkaConsumer<byte[], byte[]> consumer;

    /** The offsets to read, by partition. Immutable. */
    public record Range(Map<TopicPartition, Long> from, Map<TopicPartition, Long> to) {
        /** Returns the range limited to the last offsets of each partition. */
        public Range newest(long most) {
            var later = new HashMap<>(from);
            later.replaceAll((partition, begin) -> Math.max(begin, to.getOrDefault(partition, begin) - most));
            return new Range(later, to);
        }

        /** Returns the number of offsets; some of them are transaction markers instead of records. */
        public long size() {
            return to.entrySet().stream()
                    .mapToLong(end -> Math.max(0, end.getValue() - from.getOrDefault(end.getKey(), end.getValue())))
                    .sum();
        }
    }

    /** Takes the records that are read. */
    @FunctionalInterface
    public interface Taker {
        void take(ConsumerRecord<byte[], byte[]> kafka);

        /** Returns those unfinished partitions that must pause. */
        default Collection<TopicPartition> waiting(Collection<TopicPartition> open) {
            return List.of();
        }

        /** Returns whether the reader needs no more records. */
        default boolean isDone() {
            return false;
        }

        /** The partition is read to its end. */
        default void ended(TopicPartition partition) {}
    }

    /**
     * Connects on first use.
     *
     * @param client properties of a consumer
     */
    public TopicLog(Map<String, Object> client) {
        var properties = new HashMap<>(client);
        properties.putIfAbsent(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "15000");
        properties.putIfAbsent(ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, "10000");
        properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "5000");
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, "false");
        properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
        properties.remove(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG);
        consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    public List<TopicPartition> partitions(String... topics) {
        var found = new ArrayList<TopicPartition>();
        for (var topic : topics) {
            List<PartitionInfo> partitions = consumer.partitionsFor(topic);
            if (partitions == null || partitions.isEmpty()) {
                throw new UnknownTopicOrPartitionException("topic " + topic + " does not exist");
            }
            for (var partition : partitions) found.add(new TopicPartition(topic, partition.partition()));
        }
        return found;
    }

    /** Returns the range of records with this timestamp or a later one, up to the present end. */
    public Range since(List<TopicPartition> partitions, Instant from) {
        consumer.assign(partitions); // else the consumer complains
        var ends = consumer.endOffsets(partitions);
        return new Range(offsets(partitions, from, ends), ends);
    }

    public Range all(List<TopicPartition> partitions) {
        consumer.assign(partitions);
        return new Range(consumer.beginningOffsets(partitions), consumer.endOffsets(partitions));
    }

    /** Returns the first offset of each partition with this timestamp or a later one; its end where there is none. */
    private Map<TopicPartition, Long> offsets(
            List<TopicPartition> partitions, Instant at, Map<TopicPartition, Long> ends) {
        Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(partitions.stream()
                .collect(Collectors.toMap(partition -> partition, partition -> Math.max(0, at.toEpochMilli()))));
        var offsets = new HashMap<>(ends);
        found.forEach((partition, offset) -> {
            if (offset != null) offsets.put(partition, offset.offset());
        });
        return offsets;
    }

    /** Passes the records of the range on, in order within each partition. */
    public void read(Range range, Taker taker) {
        consumer.assign(range.to().keySet());
        range.to()
                .forEach((partition, end) ->
                        consumer.seek(partition, range.from().getOrDefault(partition, end)));
        var open = new HashMap<>(range.to());
        long positions = -1;
        long movedNanos = System.nanoTime();
        while (true) {
            open.entrySet().removeIf(end -> {
                boolean reached = consumer.position(end.getKey()) >= end.getValue();
                if (!reached) return false;
                consumer.pause(List.of(end.getKey()));
                taker.ended(end.getKey());
                return true;
            });
            if (open.isEmpty() || taker.isDone()) return;
            var waiting = taker.waiting(open.keySet());
            consumer.pause(waiting);
            consumer.resume(open.keySet().stream()
                    .filter(partition -> !waiting.contains(partition))
                    .toList());
            long now = open.keySet().stream().mapToLong(consumer::position).sum();
            if (now != positions) movedNanos = System.nanoTime();
            else if (System.nanoTime() - movedNanos > STALLED.toNanos()) {
                throw new TimeoutException(
                        "nothing more comes from " + open.keySet().iterator().next() + ", although there is more");
            }
            positions = now;
            for (var kafka : consumer.poll(POLL)) {
                Long end = open.get(new TopicPartition(kafka.topic(), kafka.partition()));
                if (end != null && kafka.offset() < end) taker.take(kafka);
            }
        }
    }

    /** Returns the first record of the range that is wanted. */
    public Optional<ConsumerRecord<byte[], byte[]>> first(
            Range range, Predicate<ConsumerRecord<byte[], byte[]>> wanted) {
        var found = new ArrayList<ConsumerRecord<byte[], byte[]>>(1);
        read(range, new Taker() {
            @Override
            public void take(ConsumerRecord<byte[], byte[]> kafka) {
                if (found.isEmpty() && wanted.test(kafka)) found.add(kafka);
            }

            @Override
            public boolean isDone() {
                return !found.isEmpty();
            }
        });
        return found.stream().findFirst();
    }

    @Override
    public void close() {
        consumer.close();
    }
}
