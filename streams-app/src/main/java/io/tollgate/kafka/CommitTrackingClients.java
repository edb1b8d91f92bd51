package io.tollgate.kafka;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;

/**
 * Kafka's own clients, with two differences. The producer notes which offsets a transaction has committed: under exactly-once Streams
 * commits through the producer, and no interceptor hears of it. The consumer says when it is polled, which a stream thread does some ten
 * times a second however little there is to do: a punctuator that did the same would commit each time.
 */
public final class CommitTrackingClients extends DefaultKafkaClientSupplier {
    private final CommittedOffsets committed;
    private final StreamThreadWatch watch;
    private final Runnable beforePoll;

    /** @param beforePoll runs on the stream thread before each poll; not with the streams group protocol, which makes its own consumer */
    public CommitTrackingClients(CommittedOffsets committed, StreamThreadWatch watch, Runnable beforePoll) {
        this.committed = committed;
        this.watch = watch;
        this.beforePoll = beforePoll;
    }

    @Override
    public Consumer<byte[], byte[]> getConsumer(Map<String, Object> config) {
        return new PollingConsumer(config, watch, beforePoll);
    }

    private static final class PollingConsumer extends KafkaConsumer<byte[], byte[]> {
        private final StreamThreadWatch watch;
        private final Runnable beforePoll;

        PollingConsumer(Map<String, Object> config, StreamThreadWatch watch, Runnable beforePoll) {
            super(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            this.watch = watch;
            this.beforePoll = beforePoll;
        }

        @Override
        public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
            watch.beatBeforePoll(System.nanoTime());
            beforePoll.run();
            var records = super.poll(timeout);
            watch.beat(System.nanoTime());
            return records;
        }
    }

    @Override
    public Producer<byte[], byte[]> getProducer(Map<String, Object> config) {
        return new TrackingProducer(config, committed, watch);
    }

    private static final class TrackingProducer extends KafkaProducer<byte[], byte[]> {
        private final CommittedOffsets committed;
        private final Map<TopicPartition, OffsetAndMetadata> inTransaction = new HashMap<>();

        private final StreamThreadWatch watch;

        TrackingProducer(Map<String, Object> config, CommittedOffsets committed, StreamThreadWatch watch) {
            super(config, new ByteArraySerializer(), new ByteArraySerializer());
            this.watch = watch;
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
            watch.confirmed(System.nanoTime());
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
