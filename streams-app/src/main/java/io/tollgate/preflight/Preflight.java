package io.tollgate.preflight;

import io.tollgate.config.Settings;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RetriableException;

/** Looks at everything that the pipeline stands on, before it stands there. Touches no record and no bucket. Thread-safe. */
public final class Preflight {
    /** Kafka's default for the largest batch of a topic. */
    public static final int REQUEST_BYTES = 1_048_588;

    /** Room for the headers that a decided record gains. */
    public static final int ROOM_FOR_HEADERS_BYTES = 65_536;

    /** A rejection is at most so much larger than its record: base64 of what it carries, and its own fields and headers. */
    static final int REJECTION_OVERHEAD_BYTES = 266_240;

    private final Settings settings;
    private final TopicFindings.Internal internal;

    /**
     * @param rekeyedTopic where strays travel
     * @param changelogTopic of the local buckets
     */
    public Preflight(Settings settings, String rekeyedTopic, String changelogTopic) {
        this.settings = settings;
        this.internal = new TopicFindings.Internal(rekeyedTopic, changelogTopic);
    }

    /** Returns whether our clients would speak something that the brokers' ports do not; before any client is made. */
    public List<Finding> listeners() {
        return ListenerFindings.of(settings.kafka());
    }

    /**
     * Returns what is wrong with topics, rights and clocks on the brokers' side.
     *
     * @param admin is not closed
     * @throws RetriableException if the brokers are away
     */
    public List<Finding> brokers(Admin admin) {
        var brokers = new Brokers(admin);
        var topics = new TopicFindings(brokers, settings.topics(), internal);
        var findings = new ArrayList<>(topics.look());
        findings.addAll(new RightFindings(brokers, settings, internal, topics.found()).look());
        ClockFindings.brokers(brokers, findings);
        return findings;
    }

    /** Returns whether nothing fatal is known of what the brokers hold; nothing is known while they do not answer. */
    public boolean mayBeRight(Admin admin) {
        try {
            return brokers(admin).stream().noneMatch(Finding::fatal);
        } catch (RetriableException away) {
            return true;
        } catch (KafkaException refused) {
            return false;
        }
    }

    /**
     * Returns key, value and headers of the largest record that can be decided: both topics must take the decision.
     *
     * @param most what our own clients take; the answer where the brokers do not tell their limits
     */
    public int largestRecordBytes(Admin admin, int most) {
        var brokers = new Brokers(admin);
        var topics = settings.topics();
        long approved = brokers.maxMessageBytes(topics.approved()).orElse(most) - ROOM_FOR_HEADERS_BYTES / 4;
        long rejected = brokers.maxMessageBytes(topics.rejected()).orElse(most) - REJECTION_OVERHEAD_BYTES;
        return (int) Math.min(most - ROOM_FOR_HEADERS_BYTES, Math.min(approved, rejected));
    }

    /** Returns what is wrong with Redis: warnings only. Takes some seconds where it does not answer. */
    public List<Finding> redis() {
        return settings.redis().uri().map(uri -> new RedisFindings(uri).look()).orElse(List.of());
    }

    /** Returns what is wrong with the state folder of this host. */
    public List<Finding> stateFolder() {
        return StateFolderFindings.of(settings.streams());
    }
}
