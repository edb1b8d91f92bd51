package io.tollgate;

import io.tollgate.config.Settings;
import io.tollgate.config.Topics;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Creates the topics, and says what is wrong with them. Not thread-safe. */
final class TopicAdmin implements AutoCloseable {
    static final int DEFAULT_PARTITIONS = 8;

    private static final int REQUEST_BYTES = 1_048_588; // Kafka's default
    /** Room for the headers that a decided record gains. */
    private static final int ROOM_FOR_HEADERS = 65_536;

    private static final long TIMEOUT_SECONDS = 20;

    private final Admin admin;
    private final Topics topics;
    private final String rekeyedTopic;

    TopicAdmin(Settings settings) {
        var properties = settings.kafka().clientProperties("admin.", AdminClientConfig.configNames());
        properties.putIfAbsent(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "15000");
        properties.putIfAbsent(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, "5000");
        this.admin = Admin.create(properties);
        this.topics = settings.topics();
        this.rekeyedTopic = RequestTopology.rekeyedTopic(settings.streams().applicationId());
    }

    Admin admin() {
        return admin;
    }

    /** What became of one topic. */
    record Created(String topic, boolean isNew) {}

    /** Creates the topics that are not there; those that are stay as they are. */
    List<Created> create(int partitions, short replicationFactor) {
        var created = new ArrayList<Created>();
        for (var topic : wanted(partitions, replicationFactor)) {
            try {
                await(admin.createTopics(List.of(topic)).all());
                created.add(new Created(topic.name(), true));
            } catch (TopicExistsException exists) {
                created.add(new Created(topic.name(), false));
            }
        }
        return created;
    }

    private List<NewTopic> wanted(int partitions, short replicationFactor) {
        return List.of(
                topic(topics.requests(), partitions, replicationFactor, Map.of()),
                topic(topics.approved(), partitions, replicationFactor, maxBytes(REQUEST_BYTES + ROOM_FOR_HEADERS)),
                topic(topics.rejected(), partitions, replicationFactor, maxBytes(2 * REQUEST_BYTES)),
                topic(
                        topics.policies(),
                        1,
                        replicationFactor,
                        Map.of(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT)),
                topic(topics.events(), 1, replicationFactor, Map.of()));
    }

    private static Map<String, String> maxBytes(int bytes) {
        return Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Integer.toString(bytes));
    }

    private static NewTopic topic(String name, int partitions, short replicationFactor, Map<String, String> settings) {
        var all = new TreeMap<>(settings);
        // Decided records carry the agents' own timestamps, which may lie in the future.
        all.put(TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, Long.toString(Long.MAX_VALUE));
        return new NewTopic(
                        name,
                        Optional.of(partitions),
                        Optional.of(replicationFactor).filter(factor -> factor > 0))
                .configs(all);
    }

    /** Returns what is wrong with the topics, one sentence each with what to do; empty if nothing is. */
    List<String> findings() {
        var findings = new ArrayList<String>();
        var found = new TreeMap<String, TopicDescription>();
        for (String name :
                List.of(topics.requests(), topics.approved(), topics.rejected(), topics.policies(), topics.events())) {
            try {
                found.put(name, describe(name));
            } catch (UnknownTopicOrPartitionException missing) {
                findings.add("topic " + name + " does not exist: create it with `tollgate topics create`");
            } catch (AuthorizationException forbidden) {
                findings.add(
                        "topic " + name + " may not be described: grant the application DESCRIBE, READ or WRITE on it");
            }
        }
        findings.addAll(settingsFindings(List.copyOf(found.keySet())));
        var requests = found.get(topics.requests());
        if (requests != null)
            findings.addAll(rekeyedFindings(requests.partitions().size()));
        return findings;
    }

    /** Agents would change their partition, and with it their local bucket and the order of their requests. */
    private List<String> rekeyedFindings(int partitions) {
        try {
            int rekeyed = describe(rekeyedTopic).partitions().size();
            if (rekeyed == partitions) return List.of();
            return List.of("topic " + topics.requests() + " has " + partitions + " partitions, but " + rekeyedTopic
                    + " has "
                    + rekeyed + ": the number must not change while the application keeps state; run under another"
                    + " TOLLGATE_APPLICATION_ID, or reset this one");
        } catch (UnknownTopicOrPartitionException | AuthorizationException notYet) {
            return List.of(); // Streams creates it at the first start
        }
    }

    private List<String> settingsFindings(List<String> names) {
        var findings = new ArrayList<String>();
        Map<ConfigResource, Config> configs;
        try {
            configs = await(admin.describeConfigs(names.stream()
                            .map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name))
                            .toList())
                    .all());
        } catch (AuthorizationException forbidden) {
            return findings; // DESCRIBE_CONFIGS is not among the rights that suffice
        }
        var byTopic = new TreeMap<String, Config>();
        configs.forEach((resource, config) -> byTopic.put(resource.name(), config));
        if (byTopic.containsKey(topics.policies())
                && !value(byTopic, topics.policies(), TopicConfig.CLEANUP_POLICY_CONFIG)
                        .contains("compact")) {
            findings.add("topic " + topics.policies()
                    + " must be compacted, or policies are lost: set cleanup.policy=compact");
        }
        if (byTopic.containsKey(topics.requests())) {
            long requestBytes = Long.parseLong(value(byTopic, topics.requests(), TopicConfig.MAX_MESSAGE_BYTES_CONFIG));
            requireBytes(findings, byTopic, topics.approved(), requestBytes + ROOM_FOR_HEADERS / 4);
            requireBytes(findings, byTopic, topics.rejected(), REQUEST_BYTES);
        }
        return findings;
    }

    private static void requireBytes(List<String> findings, Map<String, Config> configs, String topic, long least) {
        if (!configs.containsKey(topic)) return;
        var bytes = Long.parseLong(value(configs, topic, TopicConfig.MAX_MESSAGE_BYTES_CONFIG));
        if (bytes < least) {
            findings.add("topic " + topic + " takes records up to " + bytes
                    + " bytes, too few for the largest decided record: set max.message.bytes to at least " + least);
        }
    }

    private static String value(Map<String, Config> configs, String topic, String setting) {
        return configs.get(topic).get(setting).value();
    }

    /** Returns how many partitions the topic of requests has. */
    int requestPartitions() {
        return describe(topics.requests()).partitions().size();
    }

    private TopicDescription describe(String name) {
        return await(admin.describeTopics(List.of(name)).topicNameValues().get(name));
    }

    private static <T> T await(KafkaFuture<T> future) {
        try {
            return future.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException kafka ? kafka : new KafkaException(e.getCause());
        } catch (TimeoutException e) {
            throw new org.apache.kafka.common.errors.TimeoutException("no answer within " + TIMEOUT_SECONDS + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new org.apache.kafka.common.errors.InterruptException(e);
        }
    }

    @Override
    public void close() {
        admin.close(java.time.Duration.ofSeconds(1));
    }
}
