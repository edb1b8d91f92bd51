package io.tollgate.preflight;

import io.tollgate.config.Topics;
import io.tollgate.ingest.RequestTimestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Whether the topics are there, with the partitions and settings that no decision gets lost. Not thread-safe. */
final class TopicFindings {
    private static final String CREATE = ": create it with `tollgate topics create`";

    private final Brokers brokers;
    private final Topics topics;
    private final Internal internal;
    private final List<Finding> findings = new ArrayList<>();
    private final Map<String, TopicDescription> found = new TreeMap<>();
    private final Map<String, Config> configs = new TreeMap<>();

    TopicFindings(Brokers brokers, Topics topics, Internal internal) {
        this.brokers = brokers;
        this.topics = topics;
        this.internal = internal;
    }

    List<Finding> look() {
        for (String name :
                List.of(topics.requests(), topics.approved(), topics.rejected(), topics.policies(), topics.events())) {
            try {
                found.put(name, brokers.describe(name));
            } catch (UnknownTopicOrPartitionException missing) {
                findings.add(Finding.fatal("topic " + name + " does not exist" + CREATE));
            } catch (AuthorizationException forbidden) {
                findings.add(Finding.fatal("topic " + name + " may not be described: grant the application "
                        + (name.equals(topics.requests()) || name.equals(topics.policies()) ? "READ" : "WRITE")
                        + " on it, or create it if it is missing"));
            }
        }
        for (String name : internal.topics()) {
            try {
                found.put(name, brokers.describe(name));
            } catch (UnknownTopicOrPartitionException | AuthorizationException notYet) {
                // Streams creates it at the first start; whether it may is asked with the other rights.
            }
        }
        checkPartitions();
        readConfigs();
        checkCleanup();
        checkSizes();
        checkTimestamps();
        return findings;
    }

    Map<String, TopicDescription> found() {
        return found;
    }

    /** Agents would change their partition, and with it their local bucket and the order of their requests. */
    private void checkPartitions() {
        var requests = found.get(topics.requests());
        if (requests == null) return;
        int partitions = requests.partitions().size();
        for (String name : internal.topics()) {
            var description = found.get(name);
            if (description == null || description.partitions().size() == partitions) continue;
            findings.add(Finding.fatal("topic " + topics.requests() + " has " + partitions + " partitions, but " + name
                    + " has " + description.partitions().size()
                    + ": the number must not change while the application keeps state; run under another"
                    + " TOLLGATE_APPLICATION_ID, or reset this one"));
        }
    }

    private void readConfigs() {
        for (String name : found.keySet()) {
            try {
                configs.put(name, brokers.config(new ConfigResource(ConfigResource.Type.TOPIC, name)));
            } catch (AuthorizationException | UnknownTopicOrPartitionException forbidden) {
                if (name.equals(topics.approved()) || name.equals(topics.rejected())) {
                    findings.add(
                            Finding.warning("topic " + name + " does not tell its settings, so that a record that is"
                                    + " too large only when decompressed could stop the pipeline: grant the application"
                                    + " DESCRIBE_CONFIGS on it"));
                }
            }
        }
    }

    private void checkCleanup() {
        requireCleanup(topics.policies(), true, "or policies are lost");
        requireCleanup(internal.changelog(), true, "or the local buckets are lost");
        for (String name :
                List.of(topics.requests(), topics.approved(), topics.rejected(), topics.events(), internal.rekeyed())) {
            requireCleanup(name, false, "or all but an agent's last record are lost");
        }
    }

    private void requireCleanup(String topic, boolean compact, String otherwise) {
        var policy = setting(topic, TopicConfig.CLEANUP_POLICY_CONFIG);
        if (policy.isEmpty()) return;
        boolean compacted = policy.get().contains(TopicConfig.CLEANUP_POLICY_COMPACT);
        boolean deleted = policy.get().contains(TopicConfig.CLEANUP_POLICY_DELETE);
        if (compact && (!compacted || deleted)) {
            findings.add(Finding.fatal("topic " + topic + " must be compacted and nothing else, " + otherwise
                    + ": set cleanup.policy=compact"));
        }
        if (!compact && compacted) {
            findings.add(Finding.fatal(
                    "topic " + topic + " must not be compacted, " + otherwise + ": set cleanup.policy=delete"));
        }
    }

    private void checkSizes() {
        var request = number(topics.requests(), TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
        if (request.isEmpty()) return;
        long decided = request.get() + Preflight.ROOM_FOR_HEADERS_BYTES / 4;
        requireAtLeast(topics.approved(), TopicConfig.MAX_MESSAGE_BYTES_CONFIG, decided, "the largest decided record");
        requireAtLeast(
                topics.rejected(),
                TopicConfig.MAX_MESSAGE_BYTES_CONFIG,
                Math.max(Preflight.REQUEST_BYTES, request.get()) + Preflight.REJECTION_OVERHEAD_BYTES,
                "the largest rejection");
        requireAtLeast(internal.rekeyed(), TopicConfig.MAX_MESSAGE_BYTES_CONFIG, decided, "the largest stray");
    }

    /** A decided record carries its request's timestamp unless that is far off: what was accepted there must be accepted here. */
    private void checkTimestamps() {
        var type = setting(topics.requests(), TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG);
        if (type.isEmpty() || type.get().equals("LogAppendTime")) return;
        long farthest = RequestTimestamp.FARTHEST.toMillis();
        for (String bound : List.of(
                TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG,
                TopicConfig.MESSAGE_TIMESTAMP_BEFORE_MAX_MS_CONFIG)) {
            var accepted = number(topics.requests(), bound);
            if (accepted.isEmpty()) continue;
            for (String topic : List.of(topics.approved(), topics.rejected(), internal.rekeyed())) {
                requireAtLeast(
                        topic,
                        bound,
                        Math.min(accepted.get(), farthest),
                        "timestamps that " + topics.requests() + " accepts");
            }
        }
    }

    private void requireAtLeast(String topic, String setting, long least, String purpose) {
        var value = number(topic, setting);
        if (value.isPresent() && value.get() < least) {
            findings.add(Finding.fatal("topic " + topic + " has " + setting + "=" + value.get() + ", too little for "
                    + purpose + ": set " + setting + " to at least " + least));
        }
    }

    private Optional<Long> number(String topic, String setting) {
        return setting(topic, setting).map(Long::valueOf);
    }

    private Optional<String> setting(String topic, String name) {
        return Optional.ofNullable(configs.get(topic))
                .map(config -> config.get(name))
                .map(entry -> entry.value());
    }

    /** The topics that Kafka Streams creates for the application. */
    record Internal(String rekeyed, String changelog) {
        List<String> topics() {
            return List.of(rekeyed, changelog);
        }
    }
}
