package io.tollgate.quota;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;

/**
 * Kafka's own clients, with a producer that notes which offsets a transaction has committed: under exactly-once Streams commits
 * through the producer, and no interceptor hears of it.
 */
public final class CommitNotingClients extends DefaultKafkaClientSupplier {
    private final CommittedOffsets committed;

    public CommitNotingClients(CommittedOffsets committed) {
        this.committed = committed;
    }

    @Override
    public Producer<byte[], byte[]> getProducer(Map<String, Object> config) {
        return new CommitNotingProducer(config, committed);
    }

    private static final class CommitNotingProducer extends KafkaProducer<byte[], byte[]> {
        private final CommittedOffsets committed;
        private final Map<TopicPartition, OffsetAndMetadata> inTransaction = new HashMap<>();

        CommitNotingProducer(Map<String, Object> config, CommittedOffsets committed) {
            super(config, new ByteArraySerializer(), new ByteArraySerializer());
            this.committed = committed;
        }

        @Override
        public void sendOffsetsToTransaction(
                Map<TopicPartition, OffsetAndMetadata> offsets, ConsumerGroupMetadata group) {
            super.sendOffsetsToTransaction(offsets, group);
            inTransaction.putAll(offsets);
        }

        @Override
        public void commitTransaction() {
            super.commitTransaction();
            committed.note(inTransaction);
            inTransaction.clear();
        }

        @Override
        public void abortTransaction() {
            inTransaction.clear();
            super.abortTransaction();
        }
    }
}
