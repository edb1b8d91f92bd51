package io.tollgate.preflight;

import io.tollgate.config.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.RetriableException;

/** Looks at everything that the pipeline stands on, before it stands there. Touches no record and no bucket. Thread-safe. */
public final class Preflight {
    /** Kafka's default for the largest batch of a topic. */
    public static final int REQUEST_BYTES = SizeLimits.DEFAULT_TOPIC_BYTES;

    /** Room for the headers that a decided record gains. */
    public static final int ROOM_FOR_HEADERS_BYTES = 65_536;

    private final Settings settings;
    private final Supplier<PipelineTopics> topics;

    /** @param topics those of the built topology; asked for when the brokers are looked at */
    public Preflight(Settings settings, Supplier<PipelineTopics> topics) {
        this.settings = settings;
        this.topics = topics;
    }

    /** Returns whether our clients would speak something that the brokers' ports do not; before any client is made. */
    public List<Finding> listeners() {
        return ListenerCheck.of(settings.kafka());
    }

    /**
     * Returns whether somebody answers when greeted as the settings say. Takes three seconds if nobody does, whose name is known.
     *
     * @param server one of KAFKA_BOOTSTRAP_SERVERS
     */
    public boolean answers(String server) {
        return ListenerCheck.answers(settings.kafka(), server);
    }

    /** Returns the names of KAFKA_BOOTSTRAP_SERVERS if none of them resolves: no client can be made yet. */
    public List<String> unknownNames() {
        return BootstrapNames.unknown(settings.kafka());
    }

    /**
     * Returns what is wrong with topics, rights and clocks on the brokers' side.
     *
     * @param admin is not closed
     * @throws RetriableException if the brokers are away
     */
    public List<Finding> brokers(Admin admin) {
        PipelineTopics used;
        try {
            used = topics.get();
        } catch (ConfigException | IllegalArgumentException refused) {
            return List.of(Finding.fatal("Kafka Streams rejects these settings: " + refused.getMessage()));
        }
        var brokers = new Brokers(admin);
        var topicCheck = new TopicCheck(brokers, used);
        var findings = new ArrayList<>(topicCheck.look());
        int partitions = topicCheck.sourcePartitions().orElse(1);
        findings.addAll(new RightCheck(brokers, settings, used, topicCheck.found(), partitions).look());
        ClockCheck.brokers(brokers, findings);
        return findings;
    }

    /**
     * Returns what is fatally wrong on the brokers' side, one line each; empty if nothing is, or nothing is known while they do
     * not answer.
     */
    public Optional<String> wrong(Admin admin) {
        try {
            var fatal = brokers(admin).stream()
                    .filter(Finding::fatal)
                    .map(Finding::text)
                    .toList();
            return fatal.isEmpty() ? Optional.empty() : Optional.of(String.join(System.lineSeparator(), fatal));
        } catch (RetriableException away) {
            return Optional.empty();
        } catch (KafkaException refused) {
            return Optional.of(String.valueOf(refused.getMessage()));
        }
    }

    /**
     * Returns key, value and headers of the largest record that can be decided: what every topic behind takes, and our own producer.
     *
     * @throws RetriableException if the brokers are away
     */
    public int largestRecordBytes(Admin admin) {
        return new SizeLimits(new Brokers(admin), topics.get()).largestRecordBytes();
    }

    /** Returns what is wrong with Redis: warnings only. Takes some seconds where it does not answer. */
    public List<Finding> redis() {
        return settings.redis().uri().map(uri -> new RedisCheck(uri).look()).orElse(List.of());
    }

    /** Returns what is wrong with the state folder of this host. */
    public List<Finding> stateFolder() {
        return StateFolderCheck.of(settings.streams());
    }
}
