package io.tollgate.kafka;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;

/**
 * Sources named by cluster id, topic id and partition: a topic that is deleted and created again is another source, whose offsets
 * begin anew. Asks the cluster once for each topic, unless told to ask again. Thread-safe.
 */
public final class ClusterSourceIds implements SourceIds {
    private static final int TIMEOUT_SECONDS = 30;

    private final UnaryOperator<String> idOfTopic;
    private final Map<String, String> topics = new ConcurrentHashMap<>();

    /** @param admin is not closed */
    public ClusterSourceIds(Admin admin) {
        this(topic -> describe(admin, topic));
    }

    /** @param idOfTopic names the cluster and the topic that bears this name now */
    public ClusterSourceIds(UnaryOperator<String> idOfTopic) {
        this.idOfTopic = idOfTopic;
    }

    /** @throws KafkaException if the cluster does not say within 30 s; Streams then ends the thread, and a restart asks again */
    @Override
    public long idOf(String topic, int partition) {
        return hash(topics.computeIfAbsent(topic, idOfTopic) + "/" + partition);
    }

    /** @throws KafkaException as {@link #idOf}, and if there is no such topic any more */
    @Override
    public long askedAgain(String topic, int partition) {
        topics.put(topic, idOfTopic.apply(topic));
        return idOf(topic, partition);
    }

    private static String describe(Admin admin, String topic) {
        try {
            var cluster = admin.describeCluster().clusterId().get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
            var description =
                    admin.describeTopics(List.of(topic)).allTopicNames().get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
            return cluster + "/" + description.get(topic).topicId();
        } catch (ExecutionException | TimeoutException e) {
            throw new KafkaException("cannot describe topic " + topic, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new KafkaException("interrupted", e);
        }
    }

    private static long hash(String name) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(name.getBytes(StandardCharsets.UTF_8));
            long id = ByteBuffer.wrap(digest).getLong();
            return id == 0 ? 1 : id; // 0 is no source
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
