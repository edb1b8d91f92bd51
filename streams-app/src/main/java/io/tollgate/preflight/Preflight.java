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

/** Checks everything that the pipeline depends on, before it starts. Touches no record and no bucket. Thread-safe. */
public final class Preflight {
    /** Kafka's default for the largest batch of a topic. */
    public static final int REQUEST_BYTES = SizeLimits.DEFAULT_TOPIC_BYTES;

    /** Room for the headers that a decided record gains. */
    public static final int ROOM_FOR_HEADERS_BYTES = 65_536;

    private final Settings settings;
    private final Supplier<PipelineTopics> topics;

    /** @param topics supplies the topics of the built topology when the brokers are checked */
    public Preflight(Settings settings, Supplier<PipelineTopics> topics) {
        this.settings = settings;
        this.topics = topics;
    }

    /** Returns the ports that do not speak the protocol of our clients. Creates no client. */
    public List<Finding> listeners() {
        return ListenerCheck.of(settings.kafka());
    }

    /**
     * Returns whether the server answers a greeting as the settings say. Takes three seconds if a known
     * name does not answer.
     *
     * @param server one of KAFKA_BOOTSTRAP_SERVERS
     */
    public boolean answers(String server) {
        return ListenerCheck.answers(settings.kafka(), server);
    }

    /**
     * Returns the problem if a server answers, but none of the addresses the brokers advertise can be reached
     * from here.
     *
     * @param server one of KAFKA_BOOTSTRAP_SERVERS
     */
    public Optional<String> unreachable(String server) {
        var advertised = ListenerCheck.unreachable(settings.kafka(), server);
        if (advertised.isEmpty()) return Optional.empty();
        return Optional.of("Kafka answers at " + server + ", but its brokers advertise " + String.join(", ", advertised)
                + ", which cannot be reached from here: set their advertised.listeners to addresses that this machine can"
                + " reach");
    }

    /** Returns the names of KAFKA_BOOTSTRAP_SERVERS if none of them resolves: no client can be created yet. */
    public List<String> unknownNames() {
        return BootstrapNames.unknown(settings.kafka());
    }

    /**
     * Returns the findings about topics, rights and clocks of the brokers.
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
     * Returns the fatal findings about the brokers, one line each; empty if there are none, or if the
     * brokers do not answer.
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
     * Returns the sizes of the largest records, with key, value and headers, that the output topics and our own
     * producer accept.
     *
     * @throws RetriableException if the brokers are away
     */
    public RecordLimits recordLimits(Admin admin) {
        return new SizeLimits(new Brokers(admin), topics.get()).look();
    }

    /** Returns the findings about Redis: warnings only. Takes some seconds if Redis does not answer. */
    public List<Finding> redis() {
        return redis(true);
    }

    /** Returns the same without the findings that the pipeline's own connection logs. */
    public List<Finding> redisAtStart() {
        return redis(false);
    }

    private List<Finding> redis(boolean withSeveralKeys) {
        return settings.redis()
                .uri()
                .map(uri -> new RedisCheck(uri, withSeveralKeys).look())
                .orElse(List.of());
    }

    /** Returns the findings about the state folder of this host. */
    public List<Finding> stateFolder() {
        return StateFolderCheck.of(settings.streams());
    }
}
