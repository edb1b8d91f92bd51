package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.Topics;
import io.tollgate.preflight.Brokers;
import io.tollgate.preflight.Preflight;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Creates the topics. Not thread-safe. */
public final class TopicAdmin implements AutoCloseable {
    static final int DEFAULT_PARTITIONS = 8;

    /** Time for which the policies topic keeps replaced policies: auditors ask which policy made a decision. */
    private static final Duration POLICIES_KEPT = Duration.ofDays(30);

    private static final Duration KNOWN_WITHIN = Duration.ofSeconds(20);
    private static final Duration RETRY_AFTER = Duration.ofMillis(50);

    private final Admin admin;
    private final Topics topics;

    /** Connects when it is first used. */
    public TopicAdmin(Settings settings) {
        var properties = settings.kafka().clientProperties("admin.", AdminClientConfig.configNames());
        properties.putIfAbsent(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "15000");
        properties.putIfAbsent(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, "5000");
        this.admin = Admin.create(properties);
        this.topics = settings.topics();
    }

    /** Returns the client, which this closes. */
    public Admin admin() {
        return admin;
    }

    public String clusterId() {
        return String.valueOf(Brokers.await(admin.describeCluster().clusterId())); // none on very old brokers
    }

    /** Returns whether a broker has answered within this time; a login may take longer. */
    public boolean answersWithin(Duration time) {
        try {
            Brokers.await(admin.describeCluster(new DescribeClusterOptions().timeoutMs((int) time.toMillis()))
                    .clusterId());
            return true;
        } catch (RetriableException away) {
            return false;
        }
    }

    /** The result for one topic. */
    public record Created(String topic, boolean isNew) {}

    /**
     * Creates the missing topics and leaves the others alone. Returns when a broker knows all of them.
     *
     * @param partitions of requests, approved, rejected and settled; reports get those that requests have
     */
    public List<Created> create(int partitions, short replicationFactor) {
        var created = new ArrayList<>(create(wanted(partitions, replicationFactor)));
        created.addAll(create(List.of(topic(
                topics.usage(),
                requestPartitions(), // an agent's reports and requests meet in one task
                replicationFactor,
                Map.of()))));
        return created;
    }

    private List<Created> create(List<NewTopic> wanted) {
        var created = new ArrayList<Created>();
        for (var topic : wanted) {
            try {
                Brokers.await(admin.createTopics(List.of(topic)).all());
                created.add(new Created(topic.name(), true));
            } catch (TopicExistsException exists) {
                created.add(new Created(topic.name(), false));
            }
        }
        awaitKnown(created.stream().map(Created::topic).toList());
        return created;
    }

    /** The controller creates a topic, and brokers learn of it a moment later; until then they deny that it exists. */
    private void awaitKnown(List<String> names) {
        long deadlineNanos = System.nanoTime() + KNOWN_WITHIN.toNanos();
        while (true) {
            try {
                Brokers.await(admin.describeTopics(names).allTopicNames());
                return;
            } catch (UnknownTopicOrPartitionException notYet) {
                if (System.nanoTime() - deadlineNanos > 0) throw notYet;
                LockSupport.parkNanos(RETRY_AFTER.toNanos());
            }
        }
    }

    private List<NewTopic> wanted(int partitions, short replicationFactor) {
        return List.of(
                topic(
                        topics.requests(),
                        partitions,
                        replicationFactor,
                        // Segments end by size alone. By time, each timestamp far ahead would end one.
                        Map.of(TopicConfig.SEGMENT_MS_CONFIG, Long.toString(Long.MAX_VALUE))),
                topic(
                        topics.approved(),
                        partitions,
                        replicationFactor,
                        maxBytes(Preflight.REQUEST_BYTES + Preflight.ROOM_FOR_HEADERS_BYTES)),
                topic(topics.rejected(), partitions, replicationFactor, maxBytes(2 * Preflight.REQUEST_BYTES)),
                topic(
                        topics.policies(),
                        1,
                        replicationFactor,
                        Map.of(
                                TopicConfig.CLEANUP_POLICY_CONFIG,
                                TopicConfig.CLEANUP_POLICY_COMPACT,
                                TopicConfig.MIN_COMPACTION_LAG_MS_CONFIG,
                                Long.toString(POLICIES_KEPT.toMillis()))),
                topic(topics.events(), 1, replicationFactor, Map.of()),
                topic(topics.settled(), partitions, replicationFactor, maxBytes(2 * Preflight.REQUEST_BYTES)));
    }

    private static Map<String, String> maxBytes(int bytes) {
        return Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Integer.toString(bytes));
    }

    private static NewTopic topic(String name, int partitions, short replicationFactor, Map<String, String> settings) {
        var all = new TreeMap<>(settings);
        // Requests have the agents' own timestamps, which may lie in the future; so do decided records, within bounds.
        all.put(TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, Long.toString(Long.MAX_VALUE));
        return new NewTopic(
                        name,
                        Optional.of(partitions),
                        Optional.of(replicationFactor).filter(factor -> factor > 0))
                .configs(all);
    }

    /** Returns the number of partitions of the requests topic. */
    public int requestPartitions() {
        return new Brokers(admin).describe(topics.requests()).partitions().size();
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(1));
    }
}
