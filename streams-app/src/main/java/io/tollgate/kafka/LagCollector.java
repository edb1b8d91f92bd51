package io.tollgate.kafka;

import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lag of a consumer group: the brokers' log end minus the committed offset, for every partition of its topics and
 * every consumer. The figures equal those of {@code kafka-consumer-groups}, with one exception: a partition without a
 * committed offset counts from its first record.
 *
 * <p>The clients' own figures are too small: they end where a fetch or an open transaction ends, and lack partitions
 * without an owner. Brokers are asked once a second, on a separate thread. Thread-safe.
 */
public final class LagCollector implements Collector, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LagCollector.class);
    private static final long ASK_EVERY_MILLIS = 1_000;
    private static final int PATIENCE_MILLIS = 3_000;
    /** An older answer is out of date for people. */
    private static final long RECENT_NANOS = TimeUnit.SECONDS.toNanos(5);
    /** For metrics later: where a busy broker leaves a gap, alerts would begin to wait anew. */
    private static final long OLDEST_METRIC_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final Admin admin;
    private final String group;
    private final List<String> topics;
    private final RepeatedTask clock = new RepeatedTask("lag", ASK_EVERY_MILLIS, this::ask);
    private volatile @Nullable Answer latest;
    private boolean isAway;

    /** @param nanos the time of the question, by {@link System#nanoTime} */
    private record Answer(Map<TopicPartition, Long> records, long nanos) {
        boolean isWithin(long oldestNanos) {
            return System.nanoTime() - nanos <= oldestNanos;
        }
    }

    /**
     * @param admin is not closed
     * @param topics the topics the group consumes; a topic that does not exist yet has no lag
     */
    public LagCollector(Admin admin, String group, Collection<String> topics) {
        this.admin = admin;
        this.group = group;
        this.topics = List.copyOf(topics);
    }

    /** Begins to ask the brokers. */
    public void start() {
        clock.startAfter(0);
    }

    /** Returns the number of waiting records by partition; empty without a recent answer of the brokers. */
    public Optional<Map<TopicPartition, Long>> records() {
        return records(RECENT_NANOS);
    }

    private Optional<Map<TopicPartition, Long>> records(long oldestNanos) {
        return Optional.ofNullable(latest)
                .filter(answer -> answer.isWithin(oldestNanos))
                .map(Answer::records);
    }

    @Override
    public GaugeSnapshot collect() {
        var lag = GaugeSnapshot.builder()
                .name("tollgate_lag_records")
                .help("Records of a partition that are published, and not yet processed and committed by any instance");
        records(OLDEST_METRIC_NANOS)
                .orElse(Map.of())
                .forEach((partition, records) -> lag.dataPoint(point(partition, records)));
        return lag.build();
    }

    private static GaugeSnapshot.GaugeDataPointSnapshot point(TopicPartition partition, long records) {
        return GaugeSnapshot.GaugeDataPointSnapshot.builder()
                .labels(Labels.of("topic", partition.topic(), "partition", Integer.toString(partition.partition())))
                .value(records)
                .build();
    }

    private void ask() throws InterruptedException {
        try {
            long nanos = System.nanoTime();
            latest = new Answer(lag(), nanos);
            if (isAway) log.info("the lag is known again");
            isAway = false;
        } catch (ExecutionException | RuntimeException unanswered) {
            var cause = unanswered.getCause() == null ? unanswered : unanswered.getCause();
            if (!isAway) log.warn("the lag is unknown, because Kafka does not tell it: {}", cause.toString());
            isAway = true;
        }
    }

    private Map<TopicPartition, Long> lag() throws ExecutionException, InterruptedException {
        var topicIds = topicIds();
        // Before the log ends: records published and committed in between must not make a lag look smaller than it is.
        var committed = committed(topicIds);
        var ends = offsets(topicIds.keySet(), OffsetSpec.latest());
        var unread = topicIds.keySet().stream()
                .filter(partition ->
                        committed.getOrDefault(partition, Long.MAX_VALUE) > Objects.requireNonNull(ends.get(partition)))
                .toList();
        var starts = offsets(unread, OffsetSpec.earliest());
        var lag = new HashMap<TopicPartition, Long>();
        ends.forEach((partition, end) -> {
            long from = Objects.requireNonNull(starts.getOrDefault(partition, committed.get(partition)));
            lag.put(partition, Math.max(0, end - from));
        });
        return Map.copyOf(lag);
    }

    /** Returns the existing partitions, each with the id of its topic. */
    private Map<TopicPartition, Uuid> topicIds() throws ExecutionException, InterruptedException {
        var described = admin.describeTopics(topics, new DescribeTopicsOptions().timeoutMs(PATIENCE_MILLIS))
                .topicNameValues();
        var found = new HashMap<TopicPartition, Uuid>();
        for (var topic : described.entrySet()) {
            try {
                var now = topic.getValue().get();
                for (int partition = 0; partition < now.partitions().size(); partition++) {
                    found.put(new TopicPartition(topic.getKey(), partition), now.topicId());
                }
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            }
        }
        return found;
    }

    /** Returns the group's committed offsets in these topics; offsets of deleted topics are ignored. */
    private Map<TopicPartition, Long> committed(Map<TopicPartition, Uuid> topicIds)
            throws ExecutionException, InterruptedException {
        var options = new ListConsumerGroupOffsetsOptions().timeoutMs(PATIENCE_MILLIS);
        var committed = new HashMap<TopicPartition, Long>();
        admin.listConsumerGroupOffsets(group, options)
                .partitionsToOffsetAndMetadata()
                .get()
                .forEach((partition, offset) -> {
                    if (offset != null && FetchedTopics.isOf(offset, topicIds.get(partition))) {
                        committed.put(partition, offset.offset());
                    }
                });
        return committed;
    }

    /** Reads the log end rather than the last stable offset: records behind an open transaction wait as well. */
    private Map<TopicPartition, Long> offsets(Collection<TopicPartition> partitions, OffsetSpec which)
            throws ExecutionException, InterruptedException {
        if (partitions.isEmpty()) return Map.of();
        var wanted = partitions.stream().collect(Collectors.toMap(partition -> partition, partition -> which));
        var found = admin.listOffsets(wanted, new ListOffsetsOptions().timeoutMs(PATIENCE_MILLIS));
        var offsets = new HashMap<TopicPartition, Long>();
        found.all().get().forEach((partition, info) -> offsets.put(partition, info.offset()));
        return offsets;
    }

    @Override
    public void close() {
        clock.close();
    }
}
