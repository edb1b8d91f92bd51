package io.tollgate.kafka;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notices when a topic gets more partitions, is deleted, or is created anew under its old name. Kafka's clients would
 * continue with offsets that mean something else. Checks every two seconds. Thread-safe.
 */
public final class TopicWatch implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(TopicWatch.class);
    private static final long LOOK_EVERY_MILLIS = 2_000;
    private static final long PATIENCE_SECONDS = 20;
    /** A broker that has just started may not know every topic yet. */
    private static final int LOOKS_UNTIL_MISSING = 3;

    /** Takes changes, on a thread of the watch. */
    public interface Listener {
        /** The topic was deleted and created again. */
        void createdAnew(String topic);

        /** The number of partitions has changed. */
        void repartitioned(String topic, int before, int now);

        /** The topic no longer exists; reported once. */
        void missing(String topic);
    }

    /** The known state of one topic. For the thread of the watch only. */
    private static final class Known {
        private final Set<Uuid> former = new HashSet<>();
        private Uuid id = Uuid.ZERO_UUID;
        private int partitions;
        private int looksWithout;
    }

    private final Admin admin;
    private final List<String> topics;
    private final Listener listener;
    private final Map<String, Known> known = new HashMap<>();
    private final Set<String> missing = ConcurrentHashMap.newKeySet();
    private final RepeatedTask watch = new RepeatedTask("topic-watch", LOOK_EVERY_MILLIS, this::look);

    /**
     * @param admin is not closed
     * @param topics the names; a topic that does not exist yet is watched once it does
     */
    public TopicWatch(Admin admin, Collection<String> topics, Listener listener) {
        this.admin = admin;
        this.topics = List.copyOf(topics);
        this.listener = listener;
    }

    /** Begins to watch. */
    public void start() {
        watch.startAfter(0);
    }

    /** Returns the topics that existed once and are missing now. */
    public Set<String> missing() {
        return Set.copyOf(missing);
    }

    private void look() throws InterruptedException {
        try {
            for (var asked : admin.describeTopics(topics).topicNameValues().entrySet()) {
                look(asked.getKey(), asked.getValue());
            }
        } catch (RuntimeException unanswered) {
            log.debug("will look again at the topics", unanswered);
        }
    }

    private void look(String topic, KafkaFuture<TopicDescription> answer) throws InterruptedException {
        try {
            exists(topic, answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) isMissing(topic);
            else log.debug("cannot look at topic {}", topic, e);
        } catch (TimeoutException e) {
            log.debug("cannot look at topic {}", topic, e);
        }
    }

    private void exists(String topic, TopicDescription now) {
        var before = known.computeIfAbsent(topic, name -> new Known());
        if (before.former.contains(now.topicId())) return; // from a broker that lags behind
        int partitions = now.partitions().size();
        boolean first = before.id.equals(Uuid.ZERO_UUID);
        boolean anew = !first && !before.id.equals(now.topicId());
        // A topic loses partitions only when it is created anew. A broker that lags behind reports fewer.
        boolean repartitioned = !first && (anew ? partitions != before.partitions : partitions > before.partitions);
        int formerPartitions = before.partitions;
        if (anew) before.former.add(before.id);
        before.id = now.topicId();
        before.looksWithout = 0;
        missing.remove(topic);
        if (first || repartitioned) before.partitions = partitions;
        if (repartitioned) listener.repartitioned(topic, formerPartitions, partitions);
        else if (anew) listener.createdAnew(topic);
    }

    private void isMissing(String topic) {
        var before = known.get(topic);
        if (before == null) return; // not created yet
        if (++before.looksWithout != LOOKS_UNTIL_MISSING) return;
        missing.add(topic);
        listener.missing(topic);
    }

    @Override
    public void close() {
        watch.close();
    }
}
