package io.tollgate.policy;

import io.tollgate.config.Settings;
import io.tollgate.metrics.ThrottledWarning;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the policies topic from its beginning, for as long as the process lives. A failure here does not end a stream
 * thread: the known policies stay in force, and reading is retried for ever. Thread-safe.
 *
 * <p>A recreated topic is read from its beginning while the known policies stay in force. Then its policies replace
 * them all at once.
 */
public final class PolicyReader implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PolicyReader.class);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final long RETRY_MILLIS = 1000;
    private static final int MAX_POLL_RECORDS = 5000;
    private static final long PATIENCE_SECONDS = 20;

    private final ThrottledWarning failures = new ThrottledWarning(log);
    private final String topic;
    private final TopicPartition partition;
    private final Admin admin;
    private final Map<String, Object> properties;
    private final Policies policies;
    private final CountDownLatch caughtUp = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread thread = new Thread(this::run, "policies");
    private volatile @Nullable KafkaConsumer<byte[], byte[]> consumer;
    private volatile boolean anew;
    private volatile long next = -1;
    private volatile long target = -1;
    private Uuid topicId = Uuid.ZERO_UUID;
    /** The policies of a topic that has not been read to its end yet. */
    private @Nullable Policies staged;

    /**
     * @param policies receives the policies
     * @param admin is not closed
     */
    public PolicyReader(Settings settings, Policies policies, Admin admin) {
        this.topic = settings.topics().policies();
        this.partition = new TopicPartition(topic, 0);
        this.policies = policies;
        this.admin = admin;
        properties = settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames());
        properties.remove(ConsumerConfig.GROUP_ID_CONFIG); // every instance reads everything, and commits nothing
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, "false");
        properties.putIfAbsent(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, MAX_POLL_RECORDS);
        thread.setDaemon(true);
    }

    public void start() {
        thread.start();
    }

    /** Returns whether all records have been read that existed when reading began. */
    public boolean isCaughtUp() {
        return caughtUp.getCount() == 0;
    }

    /** Waits until then. Returns false if the time has run out. */
    public boolean awaitCaughtUp(Duration timeout) throws InterruptedException {
        return caughtUp.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Returns the progress of reading, for messages. */
    public String progress() {
        long end = target;
        return end < 0
                ? topic + " does not answer yet"
                : Math.max(0, next) + " of " + end + " records of " + topic + " are read";
    }

    /** Reads the topic from its beginning. To be called when it was deleted and created again. Does not wait. */
    public void topicWasCreatedAnew() {
        anew = true;
    }

    private void run() {
        while (closed.getCount() > 0) {
            try (var reading =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer = reading;
                if (closed.getCount() == 0) return;
                read(reading);
            } catch (WakeupException | InterruptException e) {
                return; // closed
            } catch (RuntimeException e) {
                failures.warn("cannot read policies from {}, trying again: {}", topic, e.toString());
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

    /** Reads until this is closed, or the topic is recreated. */
    private void read(KafkaConsumer<byte[], byte[]> reading) {
        anew = false;
        beginIfAnother(describe().topicId());
        reading.assign(List.of(partition));
        if (next < 0) reading.seekToBeginning(List.of(partition));
        else reading.seek(partition, next);
        while (closed.getCount() > 0 && !anew) {
            var unfinished = staged;
            if (unfinished != null && reading.position(partition) >= target) {
                if (!describe().topicId().equals(topicId)) return; // the records may come from both topics
                policies.replaceBy(unfinished);
                staged = null;
                caughtUp.countDown();
                log.info("{} policies read from {}", policies.size(), topic);
            }
            var into = staged == null ? policies : staged;
            for (var record : reading.poll(POLL)) {
                into.apply(record.partition(), record.offset(), record.timestamp(), record.key(), record.value());
                next = record.offset() + 1;
            }
        }
    }

    private void beginIfAnother(Uuid now) {
        if (now.equals(topicId)) return;
        // The end of all records, committed or not: committed policies may stand behind an open transaction.
        target = await(admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition))
                .offset();
        next = -1;
        staged = policies.none();
        topicId = now;
    }

    private TopicDescription describe() {
        return await(Objects.requireNonNull(
                admin.describeTopics(List.of(topic)).topicNameValues().get(topic)));
    }

    private static <T> T await(KafkaFuture<T> answer) {
        try {
            return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new KafkaException(e.getCause());
        } catch (java.util.concurrent.TimeoutException e) {
            throw new KafkaException("no answer within " + PATIENCE_SECONDS + " s");
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }

    @Override
    public void close() {
        closed.countDown();
        var reading = consumer;
        if (reading != null) reading.wakeup();
    }
}
