package io.tollgate.kafka;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** The highest committed offset of each partition: it will never be processed again. Thread-safe. */
public final class CommittedOffsets {
    private final Map<TopicPartition, Long> committed = new ConcurrentHashMap<>();

    /** Notes a successful commit; Kafka's committed offset is the next one to read. */
    public void note(Map<TopicPartition, OffsetAndMetadata> offsets) {
        offsets.forEach((partition, next) -> committed.put(partition, next.offset() - 1));
    }

    /** Returns the highest committed offset; -1 if none was noted. */
    public long of(TopicPartition partition) {
        return committed.getOrDefault(partition, -1L);
    }

    /** Forgets a partition's offset, which may belong to a deleted topic. */
    public void forget(TopicPartition partition) {
        committed.remove(partition);
    }
}
