package io.tollgate.kafka;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Uuid;
import org.jspecify.annotations.Nullable;

/**
 * Identifies sources by cluster id, topic id and partition. A topic that was deleted and created again is another
 * source: its offsets begin anew. A stream thread with observed polls uses the topic ids it fetches by. Otherwise the
 * cluster is asked once for each topic, and again on demand. Thread-safe.
 */
public final class ClusterSourceIds implements SourceIds {
    private static final int TIMEOUT_SECONDS = 30;

    /** Looks up the topic that has a name now. */
    @FunctionalInterface
    public interface TopicIds {
        /** @throws KafkaException if the topic does not exist, or the cluster does not answer within 30 s */
        Uuid idOf(String topic);
    }

    private final Supplier<String> clusterId;
    private final TopicIds topicIds;
    private final StreamThreadWatch watch;
    private final Map<String, Uuid> asked = new ConcurrentHashMap<>();
    private volatile @Nullable String cluster;

    /** @param admin is not closed */
    public ClusterSourceIds(Admin admin, StreamThreadWatch watch) {
        this(() -> await(admin.describeCluster().clusterId()), topic -> describe(admin, topic), watch);
    }

    /** @param topicIds asks the cluster for the topic that has a name now */
    public ClusterSourceIds(Supplier<String> clusterId, TopicIds topicIds, StreamThreadWatch watch) {
        this.clusterId = clusterId;
        this.topicIds = topicIds;
        this.watch = watch;
    }

    /**
     * @throws KafkaException if the cluster does not answer within 30 s; Streams then ends the thread, and a restart
     *     asks again
     */
    @Override
    public long idOf(String topic, int partition) {
        var fetched = watch.topics();
        var id = fetched.isPresent()
                ? fetched.get().id(topic).orElseGet(() -> expected(fetched.get(), topic))
                : asked.computeIfAbsent(topic, topicIds::idOf);
        return hash(cluster() + "/" + id + "/" + partition);
    }

    /** @throws KafkaException as {@link #idOf}, and if the topic no longer exists */
    @Override
    public long askedAgain(String topic, int partition) {
        if (watch.topics().isEmpty()) asked.put(topic, topicIds.idOf(topic));
        return idOf(topic, partition);
    }

    /**
     * Returns the id of an internal topic created a moment ago: the consumer gets its partitions before its metadata.
     */
    private Uuid expected(FetchedTopics fetched, String topic) {
        var id = topicIds.idOf(topic);
        fetched.expect(topic, id);
        return id;
    }

    private String cluster() {
        var known = cluster;
        if (known == null) cluster = known = clusterId.get();
        return known;
    }

    private static Uuid describe(Admin admin, String topic) {
        return await(Objects.requireNonNull(
                        admin.describeTopics(List.of(topic)).topicNameValues().get(topic)))
                .topicId();
    }

    private static <T> T await(KafkaFuture<T> answer) {
        try {
            return answer.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new KafkaException("the cluster does not say which topics it has", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new KafkaException("interrupted", e);
        }
    }

    private static long hash(String name) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(name.getBytes(StandardCharsets.UTF_8));
            long id = ByteBuffer.wrap(digest).getLong();
            return id == 0 ? 1 : id; // 0 is not a source
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
