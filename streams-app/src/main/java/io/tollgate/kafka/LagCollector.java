package io.tollgate;

import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import java.util.HashSet;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.TaskMetadata;
import org.apache.kafka.streams.ThreadMetadata;

/**
 * How far behind each partition is that runs here, as of the scrape. Thread-safe.
 *
 * <p>By what is committed. The consumer's own {@code records-lag} counts from what was polled, and Micrometer finds a partition that
 * has moved only within the next minute.
 */
final class LagCollector implements Collector {
    private final KafkaStreams streams;

    LagCollector(KafkaStreams streams) {
        this.streams = streams;
    }

    @Override
    public GaugeSnapshot collect() {
        var lag = GaugeSnapshot.builder()
                .name("tollgate_lag_records")
                .help("Records that are published, and neither decided nor, if strays, sent home and committed");
        for (TaskMetadata task : activeTasks()) {
            task.endOffsets().forEach((partition, end) -> {
                long committed = task.committedOffsets().getOrDefault(partition, -1L);
                if (end >= 0) lag.dataPoint(point(partition, end - Math.max(0, committed)));
            });
        }
        return lag.build();
    }

    private static GaugeSnapshot.GaugeDataPointSnapshot point(TopicPartition partition, long records) {
        return GaugeSnapshot.GaugeDataPointSnapshot.builder()
                .labels(Labels.of("topic", partition.topic(), "partition", Integer.toString(partition.partition())))
                .value(Math.max(0, records))
                .build();
    }

    private Set<TaskMetadata> activeTasks() {
        var tasks = new HashSet<TaskMetadata>();
        try {
            for (ThreadMetadata thread : streams.metadataForLocalThreads()) tasks.addAll(thread.activeTasks());
        } catch (IllegalStateException notRunning) {
            // started, but not yet asked for partitions; or ended
        }
        return tasks;
    }
}
