package io.tollgate.kafka;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** The highest offset of each partition that is committed and so will never be processed again. Thread-safe. */
public final class CommittedOffsets {
    private final Map<TopicPartition, Long> committed = new ConcurrentHashMap<>();

    /** Notes a commit that succeeded; Kafka's committed offset is the next one to read. */
    public void note(Map<TopicPartition, OffsetAndMetadata> offsets) {
        offsets.forEach((partition, next) -> committed.put(partition, next.offset() - 1));
    }

    /** Returns the highest committed offset; -1 if none was noted. */
    public long of(TopicPartition partition) {
        return committed.getOrDefault(partition, -1L);
    }

    /** Forgets what was noted of a partition: it may be of a topic that is gone. */
    public void forget(TopicPartition partition) {
        committed.remove(partition);
    }
}
