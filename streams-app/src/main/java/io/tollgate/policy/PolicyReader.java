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
 * Reads the topic of policies from its beginning, and goes on as long as the process lives. What goes wrong here ends no stream thread:
 * the policies known stay in force, and reading is tried again for ever. Thread-safe.
 *
 * <p>A topic that was created anew is read from its beginning, while the policies known stay in force; then its policies take their
 * place, all at once.
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
    /** What was read of a topic that is not read to its end yet. */
    private @Nullable Policies staged;

    /**
     * @param policies takes what is read
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

    /** Returns whether everything has been read that was there when reading began. */
    public boolean isCaughtUp() {
        return caughtUp.getCount() == 0;
    }

    /** Waits for that; returns whether it is so. */
    public boolean awaitCaughtUp(Duration timeout) throws InterruptedException {
        return caughtUp.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Returns how far reading has come, for people. */
    public String progress() {
        long end = target;
        return end < 0
                ? topic + " does not answer yet"
                : Math.max(0, next) + " of " + end + " records of " + topic + " are read";
    }

    /** Is to be called when the topic was deleted and created again: it is read from its beginning. Does not wait. */
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

    /** Reads until this is closed, or the topic is another. */
    private void read(KafkaConsumer<byte[], byte[]> reading) {
        anew = false;
        beginIfAnother(describe().topicId());
        reading.assign(List.of(partition));
        if (next < 0) reading.seekToBeginning(List.of(partition));
        else reading.seek(partition, next);
        while (closed.getCount() > 0 && !anew) {
            var unfinished = staged;
            if (unfinished != null && reading.position(partition) >= target) {
                if (!describe().topicId().equals(topicId)) return; // what was read may be of both
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
        // To the end of what is there, be it committed or not: behind a transaction that is open may stand policies
        // that are.
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
