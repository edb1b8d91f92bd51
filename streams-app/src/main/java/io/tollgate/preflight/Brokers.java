package io.tollgate.preflight;

import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;

/** Asks the brokers, and throws Kafka's own exceptions. Thread-safe. */
public final class Brokers {
    private static final long TIMEOUT_SECONDS = 20;

    private final Admin admin;

    /** @param admin is not closed */
    public Brokers(Admin admin) {
        this.admin = admin;
    }

    Admin admin() {
        return admin;
    }

    /** Returns the topic with the operations we may do on it. */
    public TopicDescription describe(String topic) {
        return await(Objects.requireNonNull(
                admin.describeTopics(List.of(topic), new DescribeTopicsOptions().includeAuthorizedOperations(true))
                        .topicNameValues()
                        .get(topic)));
    }

    Config config(ConfigResource resource) {
        return await(Objects.requireNonNull(
                admin.describeConfigs(List.of(resource)).values().get(resource)));
    }

    /** Returns the topic's size limit; empty if its settings may not be described. */
    OptionalLong maxMessageBytes(String topic) {
        try {
            var config = config(new ConfigResource(ConfigResource.Type.TOPIC, topic));
            return OptionalLong.of(Long.parseLong(
                    config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG).value()));
        } catch (AuthorizationException forbidden) {
            return OptionalLong.empty();
        }
    }

    /**
     * Waits for an answer, 20 s at most.
     *
     * @throws KafkaException as the brokers gave it
     */
    public static <T> T await(KafkaFuture<T> future) {
        try {
            return future.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException kafka ? kafka : new KafkaException(e.getCause());
        } catch (TimeoutException e) {
            throw new org.apache.kafka.common.errors.TimeoutException("no answer within " + TIMEOUT_SECONDS + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptException(e);
        }
    }
}
