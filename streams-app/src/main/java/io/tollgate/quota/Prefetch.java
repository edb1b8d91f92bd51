package io.tollgate.quota;

import io.tollgate.ingest.ParseResultHeader;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Request;
import io.tollgate.mirror.TaskSources;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.errors.TaskMigratedException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sees each polled batch on the stream thread before any of its records is processed, and sends its requests to Redis,
 * so that answers are there when records are processed. Never waits, never throws.
 *
 * <p>Streams' own buffers bound the waiting requests: the records of a poll, and unprocessed ones of earlier polls.
 */
public final class Prefetch implements ConsumerInterceptor<byte[], byte[]> {
    /** The consumer property that holds the {@link RunningTasks} object. */
    public static final String TASKS_CONFIG = "tollgate.tasks";

    /** In a large poll, one request in so many is timed: timing each would take a twentieth of the CPU. */
    private static final int TIMED_EACH = 16;

    private static final int ALL_TIMED = 64;

    private static final Logger log = LoggerFactory.getLogger(Prefetch.class);

    private @Nullable RunningTasks tasks;
    private @Nullable RecordClassifier parse;
    /** The last offset that was polled without being sent: later requests must not reach Redis before it. */
    private final Map<TopicPartition, Long> missed = new HashMap<>();

    @Override
    public void configure(Map<String, ?> configs) {
        if (!(configs.get(TASKS_CONFIG) instanceof RunningTasks running)) {
            throw new IllegalArgumentException(TASKS_CONFIG + " is missing");
        }
        tasks = running;
        parse = RecordClassifier.ofRequests(
                running.shared().partitions(), running.shared().recordLimit());
    }

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
        var running = tasks;
        var parser = parse;
        if (running == null || parser == null || running.shared().watch().isAnyTopicMadeAnew()) return records;
        long nowNanos = running.shared().time().nanoTime();
        // Others have decided them by now: Redis would charge them once more.
        boolean late = running.shared().watch().stoodStill(nowNanos);
        var queues = new ArrayList<SendQueue>();
        for (var partition : records.partitions()) {
            var polled = records.records(partition);
            long first = polled.get(0).offset();
            missed.computeIfPresent(
                    partition,
                    (same, last) -> Math.min(last, first - 1)); // requests that are polled again are not missed
            // The topology decides every record that has no pending decision, one by one.
            if (late || !prefetch(running, parser, partition, polled, nowNanos, queues)) {
                missed.put(partition, polled.get(polled.size() - 1).offset());
            }
        }
        send(queues);
        return records; // the same object: a copy would lose Streams' own bookkeeping
    }

    /** Where it fails, requests are sent when they are processed. */
    private static void send(List<SendQueue> polled) {
        try {
            SendQueue.sendPolled(polled);
        } catch (RuntimeException e) {
            log.error("prefetch failed", e);
        }
    }

    /** Queues the requests among the records; returns whether all of the records are noted. */
    private boolean prefetch(
            RunningTasks running,
            RecordClassifier parser,
            TopicPartition partition,
            List<ConsumerRecord<byte[], byte[]>> records,
            long nowNanos,
            List<SendQueue> queues) {
        var task = running.byPartition().get(partition.partition());
        if (task == null) return false; // not running yet
        try {
            int place = task.offsets().sources().placeOf(partition.topic());
            task.offsets().polled(place, records);
            if (!TaskSources.holdsRequests(place)) return true; // settled without Redis
            var noted = note(task, place, parser, records, nowNanos);
            task.queue().prefetch(place, noted, missed.getOrDefault(partition, -1L));
            queues.add(task.queue());
            return true;
        } catch (TaskMigratedException migrated) {
            return false; // the first of these records says so, where Streams hears of it
        } catch (RuntimeException e) {
            log.error("prefetch failed for {}", partition, e);
            return false;
        }
    }

    /** Leaves on each record its classification; returns the requests. */
    private static List<PendingDecision> note(
            Task task,
            int place,
            RecordClassifier parser,
            List<ConsumerRecord<byte[], byte[]>> records,
            long polledNanos) {
        boolean all = records.size() <= ALL_TIMED;
        var noted = new ArrayList<PendingDecision>();
        for (var record : records) {
            if (!task.offsets().isNew(place, record.offset())) continue; // the topology leaves it out
            var incoming = place == TaskSources.REQUESTS
                    ? parser.published(record.key(), record.value(), record.headers(), record.partition())
                    : parser.rekeyed(record.key(), record.value(), record.headers());
            if (incoming instanceof Request request) {
                boolean timed = all || noted.size() % TIMED_EACH == 0;
                noted.add(new PendingDecision(request, place, record.offset(), polledNanos, timed));
                record.headers().add(noted.get(noted.size() - 1));
            } else {
                record.headers().add(new ParseResultHeader(incoming));
            }
        }
        return noted;
    }

    /** Under at-least-once, where the consumer itself commits. */
    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        if (tasks != null) tasks.shared().committed().note(offsets);
    }

    @Override
    public void close() {
        // Holds nothing of its own.
    }
}
