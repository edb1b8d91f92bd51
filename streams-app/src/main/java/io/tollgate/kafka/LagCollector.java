package io.tollgate.kafka;

import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
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
 * How many records wait for a consumer group: the brokers' log end minus what the group has committed, for every partition of its
 * topics, whoever consumes it. The figures of {@code kafka-consumer-groups}, except that a partition that nobody has committed, for
 * which that says nothing, waits from its first record.
 *
 * <p>The clients' own figures would not do: theirs end where a fetch or an open transaction ends, and know no partition that nobody
 * owns. Asks the brokers once a second, on a thread of its own. Thread-safe.
 */
public final class LagCollector implements Collector, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LagCollector.class);
    private static final long ASK_EVERY_MILLIS = 1_000;
    private static final int PATIENCE_MILLIS = 3_000;
    /** An answer that is older says nothing about now. */
    private static final long OLDEST_ANSWER_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final Admin admin;
    private final String group;
    private final List<String> topics;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "lag");
        thread.setDaemon(true);
        return thread;
    });
    private volatile @Nullable Answer latest;
    private boolean isAway;

    /** @param nanos when it was asked for, by {@link System#nanoTime} */
    private record Answer(Map<TopicPartition, Long> records, long nanos) {
        boolean isOld() {
            return System.nanoTime() - nanos > OLDEST_ANSWER_NANOS;
        }
    }

    /**
     * @param admin is not closed
     * @param topics what the group consumes; those that do not exist yet have no records that wait
     */
    public LagCollector(Admin admin, String group, Collection<String> topics) {
        this.admin = admin;
        this.group = group;
        this.topics = List.copyOf(topics);
    }

    /** Begins to ask. */
    public void start() {
        clock.scheduleWithFixedDelay(this::ask, 0, ASK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
    }

    /** Returns how many records wait, by partition; empty if the brokers have not said so in the last seconds. */
    public Optional<Map<TopicPartition, Long>> records() {
        var answer = latest;
        return answer == null || answer.isOld() ? Optional.empty() : Optional.of(answer.records());
    }

    @Override
    public GaugeSnapshot collect() {
        var lag = GaugeSnapshot.builder()
                .name("tollgate_lag_records")
                .help("Records of a partition that are published, and not yet processed and committed by any instance");
        records().orElse(Map.of()).forEach((partition, records) -> lag.dataPoint(point(partition, records)));
        return lag.build();
    }

    private static GaugeSnapshot.GaugeDataPointSnapshot point(TopicPartition partition, long records) {
        return GaugeSnapshot.GaugeDataPointSnapshot.builder()
                .labels(Labels.of("topic", partition.topic(), "partition", Integer.toString(partition.partition())))
                .value(records)
                .build();
    }

    private void ask() {
        try {
            long nanos = System.nanoTime();
            latest = new Answer(lag(), nanos);
            if (isAway) log.info("the lag is known again");
            isAway = false;
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | RuntimeException unanswered) {
            var cause = unanswered instanceof ExecutionException ? unanswered.getCause() : unanswered;
            if (!isAway) log.warn("the lag is unknown, because Kafka does not tell it: {}", cause.toString());
            isAway = true;
        } catch (Throwable unexpected) { // what escapes would end the schedule, and nobody would hear of it
            log.error("asking for the lag failed", unexpected);
        }
    }

    private Map<TopicPartition, Long> lag() throws ExecutionException, InterruptedException {
        var topicIds = topicIds();
        // Before the ends: in between more may be published and committed, and no lag may look smaller than it is.
        var committed = committed(topicIds);
        var ends = offsets(topicIds.keySet(), OffsetSpec.latest());
        var unread = topicIds.keySet().stream()
                .filter(partition -> committed.getOrDefault(partition, Long.MAX_VALUE) > ends.get(partition))
                .toList();
        var starts = offsets(unread, OffsetSpec.earliest());
        var lag = new HashMap<TopicPartition, Long>();
        ends.forEach((partition, end) -> {
            long from = starts.containsKey(partition) ? starts.get(partition) : committed.get(partition);
            lag.put(partition, Math.max(0, end - from));
        });
        return Map.copyOf(lag);
    }

    /** Returns the partitions that there are, and the id of the topic of each. */
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

    /** Returns what the group has committed of these topics: what was of a topic that is gone counts for nothing. */
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

    /** The log end rather than the last stable offset: what waits behind an open transaction waits as well. */
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
        clock.shutdownNow();
    }
}
