package io.tollgate.preflight;

import io.tollgate.ingest.RequestTimestamp;
import io.tollgate.policy.PolicyTopic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Checks that the topics exist, with partitions and settings that lose no decision. Not thread-safe. */
final class TopicCheck {
    private static final String CREATE = ": create it with `tollgate topics create`";

    /** As `tollgate topics create` sets it. */
    private static final Duration HISTORY = Duration.ofDays(30);

    private static final String LOG_APPEND_TIME = "LogAppendTime";

    private final Brokers brokers;
    private final PipelineTopics topics;
    private final List<Finding> findings = new ArrayList<>();
    private final Map<String, TopicDescription> found = new TreeMap<>();
    private final Map<String, Config> configs = new TreeMap<>();

    TopicCheck(Brokers brokers, PipelineTopics topics) {
        this.brokers = brokers;
        this.topics = topics;
    }

    List<Finding> look() {
        describe();
        checkPartitions();
        readConfigs();
        checkCleanup();
        checkHistory();
        checkLeastSizes();
        checkSizes();
        checkTimestampType();
        checkTimestamps();
        return findings;
    }

    Map<String, TopicDescription> found() {
        return found;
    }

    private void describe() {
        for (String name : topics.named()) {
            try {
                found.put(name, brokers.describe(name));
            } catch (UnknownTopicOrPartitionException missing) {
                findings.add(Finding.fatal("topic " + name + " does not exist" + CREATE));
            } catch (AuthorizationException forbidden) {
                findings.add(Finding.fatal("topic " + name + " may not be described: grant the application "
                        + (topics.sinks().contains(name) ? AclOperation.WRITE : AclOperation.READ)
                        + " on it, or create it if it is missing"));
            }
        }
        for (String name : topics.internal()) {
            try {
                found.put(name, brokers.describe(name));
            } catch (UnknownTopicOrPartitionException | AuthorizationException notYet) {
                // Streams creates it at the first start; RightCheck looks at that right.
            }
        }
    }

    /** Returns the number of partitions of the topology's sources; empty if they are missing or differ. */
    Optional<Integer> sourcePartitions() {
        var numbers = topics.sources().stream()
                .map(found::get)
                .filter(java.util.Objects::nonNull)
                .map(description -> description.partitions().size())
                .distinct()
                .toList();
        return numbers.size() == 1 ? Optional.of(numbers.get(0)) : Optional.empty();
    }

    private void checkPartitions() {
        // The topic of reports follows that of requests.
        topics.sources().stream()
                .filter(found::containsKey)
                .min(Comparator.comparing(topics.usage()::equals))
                .ifPresent(this::checkPartitionsLike);
        var policies = found.get(topics.policies());
        if (policies == null || policies.partitions().size() == 1) return;
        findings.add(Finding.fatal(PolicyTopic.notOnePartition(
                topics.policies(), policies.partitions().size())));
    }

    /** With other partitions, agents would lose their local bucket and the order of their requests. */
    private void checkPartitionsLike(String source) {
        int partitions = Objects.requireNonNull(found.get(source)).partitions().size();
        for (String other : topics.sources()) {
            var description = found.get(other);
            if (description == null || description.partitions().size() == partitions) continue;
            findings.add(Finding.fatal(differ(source, partitions, other, description)
                    + ": both must have the same number; re-create one of them"));
        }
        for (String internal : topics.internal()) {
            var description = found.get(internal);
            if (description == null || description.partitions().size() == partitions) continue;
            findings.add(Finding.fatal(differ(source, partitions, internal, description)
                    + ": the number must not change while the application keeps state; run under another"
                    + " TOLLGATE_APPLICATION_ID, or delete that topic if it was created beforehand and is empty"));
        }
    }

    private static String differ(String topic, int partitions, String other, TopicDescription description) {
        return "topic " + topic + " has " + partitions + " partitions, but " + other + " has "
                + description.partitions().size();
    }

    private void readConfigs() {
        for (String name : found.keySet()) {
            try {
                configs.put(name, brokers.config(new ConfigResource(ConfigResource.Type.TOPIC, name)));
            } catch (AuthorizationException | UnknownTopicOrPartitionException forbidden) {
                if (!topics.decided().contains(name) && !name.equals(topics.settled())) continue;
                findings.add(Finding.warning("topic " + name + " does not show its settings, so Kafka's default size"
                        + " is assumed: grant the application DESCRIBE_CONFIGS on it"));
            }
        }
    }

    private void checkCleanup() {
        requireCleanup(topics.policies(), true, "or policies are lost");
        for (String changelog : topics.changelogs()) requireCleanup(changelog, true, "or the local state is lost");
        var others = new ArrayList<>(topics.sources());
        others.addAll(topics.sinks());
        others.addAll(topics.repartition());
        for (String name : others) requireCleanup(name, false, "or all records of an agent but the last are lost");
        for (String name : topics.repartition()) requireRetention(name);
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

    /** Strays keep the agents' timestamps: an old one would be deleted before it came home. */
    private void requireRetention(String topic) {
        var retention = number(topic, TopicConfig.RETENTION_MS_CONFIG);
        if (retention.isEmpty() || retention.get() < 0) return;
        findings.add(
                Finding.warning(
                        "topic " + topic + " has retention.ms=" + retention.get()
                                + ", so that strays with an old timestamp may be deleted before they are decided: set retention.ms=-1"));
    }

    /** Decisions are checked later against the policies of their time. */
    private void checkHistory() {
        var topic = topics.policies();
        var lag = number(topic, TopicConfig.MIN_COMPACTION_LAG_MS_CONFIG);
        if (lag.isEmpty() || lag.get() >= HISTORY.toMillis()) return;
        findings.add(Finding.warning("topic " + topic + " has min.compaction.lag.ms=" + lag.get()
                + ", so `tollgate verify` and `policy history` may miss earlier policies: set min.compaction.lag.ms to "
                + HISTORY.toMillis()));
    }

    /** Below this, not even a rejection fits that names its request by a hash. */
    private void checkLeastSizes() {
        var written = new ArrayList<>(topics.sinks());
        written.addAll(topics.internal());
        for (String topic : written) {
            var value = number(topic, TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
            if (value.isEmpty() || value.get() >= SizeLimits.LEAST_TOPIC_BYTES) continue;
            findings.add(Finding.fatal("topic " + topic + " has max.message.bytes=" + value.get()
                    + ", too little for what Tollgate writes: set max.message.bytes to at least "
                    + SizeLimits.LEAST_TOPIC_BYTES));
        }
    }

    /** Decided records carry the timestamps of their requests. */
    private void checkTimestampType() {
        for (String topic : carrying()) {
            if (!isStampedByBroker(topic)) continue;
            findings.add(Finding.warning(
                    "topic " + topic + " has message.timestamp.type=" + LOG_APPEND_TIME + ", so its records"
                            + " do not carry the timestamps of their requests: set message.timestamp.type=CreateTime"));
        }
    }

    private List<String> carrying() {
        var carrying = new ArrayList<>(topics.sinks());
        carrying.addAll(topics.repartition());
        return carrying;
    }

    private boolean isStampedByBroker(String topic) {
        return setting(topic, TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG)
                .filter(LOG_APPEND_TIME::equals)
                .isPresent();
    }

    /** A record that does not fit is invalid, not lost: a warning says which setting lets it pass. */
    private void checkSizes() {
        for (String source : topics.sources()) {
            if (source.equals(topics.usage())) checkSizes(source, "reports", List.of(topics.settled()));
            else checkSizes(source, "requests", topics.carryingRequests());
        }
    }

    private void checkSizes(String source, String records, List<String> carrying) {
        long accepted =
                number(source, TopicConfig.MAX_MESSAGE_BYTES_CONFIG).orElse((long) SizeLimits.DEFAULT_TOPIC_BYTES);
        for (String name : carrying) {
            var value = number(name, TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
            if (value.isEmpty()) continue;
            long fits = SizeLimits.fitting(value.get());
            if (fits >= accepted) continue;
            findings.add(Finding.warning("topic " + name + " has max.message.bytes=" + value.get()
                    + ": " + records + " above " + fits + " bytes, with key and headers and not compressed, are invalid"
                    + " (too_large); set max.message.bytes to at least " + SizeLimits.needed(accepted)
                    + " to let them pass"));
        }
    }

    /**
     * A decided record carries its request's timestamp unless that is far off, so output topics must
     * accept the same timestamps.
     */
    private void checkTimestamps() {
        for (String source : topics.sources()) {
            if (isStampedByBroker(source)) continue;
            for (String bound : List.of(
                    TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG,
                    TopicConfig.MESSAGE_TIMESTAMP_BEFORE_MAX_MS_CONFIG)) {
                var accepted = number(source, bound);
                if (accepted.isEmpty()) continue;
                for (String topic : topics.carrying(source)) {
                    if (isStampedByBroker(topic)) continue;
                    requireAtLeast(
                            topic,
                            bound,
                            Math.min(accepted.get(), RequestTimestamp.FARTHEST.toMillis()),
                            "timestamps that " + source + " accepts");
                }
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
}
