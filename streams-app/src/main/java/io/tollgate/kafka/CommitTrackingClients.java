package io.tollgate.kafka;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetCommitCallback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.MissingSourceTopicException;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;
import org.apache.kafka.streams.processor.internals.assignment.AssignorError;
import org.apache.kafka.streams.processor.internals.assignment.ReferenceContainer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kafka's own clients with a few additions. The producer notes the offsets that a transaction has committed: under
 * exactly-once Streams commits through the producer, where no interceptor runs. The consumer reports each poll. A
 * stream thread polls some ten times a second even when idle; a punctuator with this task would commit each time. Both
 * commit each offset with the id of its topic. The consumer reads a recreated topic from its beginning, see {@link
 * FetchedTopics}, and waits while a topic is missing.
 */
public final class CommitTrackingClients extends DefaultKafkaClientSupplier {
    private final CommittedOffsets committed;
    private final StreamThreadWatch watch;
    private final Runnable beforePoll;
    private final @Nullable Runnable requestCommit;

    /**
     * Neither action runs with the streams group protocol, which creates its own consumer.
     *
     * @param beforePoll runs on the stream thread before each poll
     * @param requestCommit asks Streams, on the idle stream thread, to commit what it has processed; null: Streams
     *     commits only at its interval
     */
    public CommitTrackingClients(
            CommittedOffsets committed,
            StreamThreadWatch watch,
            Runnable beforePoll,
            @Nullable Runnable requestCommit) {
        this.committed = committed;
        this.watch = watch;
        this.beforePoll = beforePoll;
        this.requestCommit = requestCommit;
    }

    @Override
    public Consumer<byte[], byte[]> getConsumer(Map<String, Object> config) {
        return new PollingConsumer(config, watch, beforePoll, requestCommit);
    }

    private static final class PollingConsumer extends KafkaConsumer<byte[], byte[]> {
        private static final Logger log = LoggerFactory.getLogger(CommitTrackingClients.class);
        private static final Duration PAUSE = Duration.ofSeconds(1);

        private final StreamThreadWatch watch;
        private final Runnable beforePoll;
        private final FetchedTopics topics = new FetchedTopics(this);
        private final EarlyCommits commits;
        private final ReferenceContainer assignment;
        private boolean isTopicMissing;

        PollingConsumer(
                Map<String, Object> config,
                StreamThreadWatch watch,
                Runnable beforePoll,
                @Nullable Runnable requestCommit) {
            super(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            assignment = (ReferenceContainer) Objects.requireNonNull(
                    config.get(StreamsConfig.InternalConfig.REFERENCE_CONTAINER_PARTITION_ASSIGNOR));
            this.watch = watch;
            this.beforePoll = beforePoll;
            this.commits = new EarlyCommits(requestCommit, System.nanoTime());
        }

        @Override
        public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
            watch.beatBeforePoll(System.nanoTime(), topics, commits);
            beforePoll.run();
            beginAgainIfMadeAnew(); // noticed since the last poll
            var outdated = topics.takeOutdated(assignment());
            if (!outdated.isEmpty()) seekToBeginning(outdated);
            var records = pollTopics(commits.beforePoll(timeout, System.nanoTime()));
            long nowNanos = System.nanoTime();
            commits.afterPoll(records.count(), nowNanos);
            watch.beat(nowNanos);
            beginAgainIfMadeAnew(); // the polled records may be of either topic
            return records;
        }

        /**
         * Streams would end the thread over a missing topic. Here the thread rejoins its group until the topic
         * exists again.
         */
        private ConsumerRecords<byte[], byte[]> pollTopics(Duration timeout) {
            try {
                var records = super.poll(timeout);
                if (!assignment().isEmpty()) isTopicMissing = false;
                return records;
            } catch (MissingSourceTopicException missing) {
                if (!isTopicMissing) log.warn("a topic does not exist: waiting until it is created");
                isTopicMissing = true;
                assignment.assignmentErrorCode.set(AssignorError.NONE.code()); // no other code resets it
                LockSupport.parkNanos(PAUSE.toNanos());
                throw new TopicMissingException();
            }
        }

        private void beginAgainIfMadeAnew() {
            var anew = topics.takeMadeAnew();
            if (anew == null) return;
            log.info("topic {} was deleted and created again: reading it from its beginning", anew);
            throw new TopicMadeAnewException(anew);
        }

        @Override
        public Map<TopicPartition, OffsetAndMetadata> committed(Set<TopicPartition> partitions) {
            return topics.current(super.committed(partitions));
        }

        @Override
        public Map<TopicPartition, OffsetAndMetadata> committed(Set<TopicPartition> partitions, Duration timeout) {
            return topics.current(super.committed(partitions, timeout));
        }

        @Override
        public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets) {
            super.commitSync(topics.marked(offsets));
        }

        @Override
        public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets, Duration timeout) {
            super.commitSync(topics.marked(offsets), timeout);
        }

        @Override
        public void commitAsync(Map<TopicPartition, OffsetAndMetadata> offsets, OffsetCommitCallback callback) {
            super.commitAsync(topics.marked(offsets), callback);
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
            var marked = watch.marked(offsets);
            super.sendOffsetsToTransaction(marked, group);
            inTransaction.putAll(marked);
        }

        @Override
        public void commitTransaction() {
            super.commitTransaction();
            watch.committed(System.nanoTime());
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
