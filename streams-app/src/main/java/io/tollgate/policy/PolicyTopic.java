package io.tollgate.policy;

import io.tollgate.config.Settings;
import io.tollgate.kafka.TopicLog;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/**
 * The policies topic for tools: its present contents, and changes to it. The pipeline reads it in its own way.
 *
 * <p>Thread-safe. Every method ends within bounded time: with a {@link TimeoutException} if the brokers do not answer,
 * and with an {@link UnknownTopicOrPartitionException} that tells how to create the topic if it does not exist.
 */
public final class PolicyTopic implements AutoCloseable {
    /** The header that names the author of a policy. */
    public static final String CHANGED_BY = "changed-by";

    private final Settings settings;
    private final String topic;
    private final Admin admin;
    private @Nullable Producer<byte[], byte[]> producer;

    /** Connects when it is first used. */
    public PolicyTopic(Settings settings) {
        this.settings = settings;
        this.topic = settings.topics().policies();
        var properties = settings.kafka().clientProperties("admin.", AdminClientConfig.configNames());
        properties.putIfAbsent(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "10000");
        properties.putIfAbsent(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, "5000");
        admin = Admin.create(properties);
    }

    /** Returns one line about a policies topic with this number of partitions: the problem and the remedy. */
    public static String notOnePartition(String topic, int partitions) {
        return "topic " + topic + " has " + partitions
                + " partitions, but must have exactly 1, or an agent's policies have no order: save them with `tollgate policy"
                + " export`, delete the topic, create it with `tollgate topics create`, and write them with `tollgate"
                + " policy load`";
    }

    /**
     * Returns every record that counts now, by key: the last valid one, and a later invalid one if there is any.
     *
     * @throws InvalidPartitionsException if the topic has several partitions: nobody can then tell which record counts
     */
    public SortedMap<String, StoredPolicy> read() {
        return stored(newest());
    }

    /**
     * Returns the same, with the time and the author of each last change.
     *
     * @throws InvalidPartitionsException if the topic has several partitions
     */
    public SortedMap<String, PolicyChange> newest() {
        var found = new TreeMap<String, PolicyChange>();
        scan(onePartition(), record -> add(found, record));
        return found;
    }

    /** Returns the same of one key; empty if it has no policy now. */
    public Optional<PolicyChange> newest(String key) {
        PolicyChange newest = null;
        for (var change : history(key)) newest = newest == null ? change : newest.followedBy(change);
        return Optional.ofNullable(newest).filter(change -> change.stored().isPresent());
    }

    /**
     * Returns the same for a topic with any number of partitions, so that it can be saved: the newest record of each
     * key counts.
     */
    public SortedMap<String, StoredPolicy> salvage() {
        var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        var partitions = partitions();
        scan(partitions, records::add);
        if (partitions.size() > 1) records.sort(Comparator.comparingLong(ConsumerRecord::timestamp));
        var found = new TreeMap<String, PolicyChange>();
        for (var record : records) add(found, record);
        return stored(found);
    }

    /** @throws InvalidPartitionsException if the topic has several partitions */
    public void requireOnePartition() {
        onePartition();
    }

    /**
     * Returns every record under this key that compaction has left, oldest first.
     *
     * @throws InvalidPartitionsException if the topic has several partitions
     */
    public List<PolicyChange> history(String agentId) {
        var key = agentId.getBytes(StandardCharsets.UTF_8);
        var found = new ArrayList<PolicyChange>();
        scan(onePartition(), record -> {
            if (Arrays.equals(record.key(), key)) found.add(change(agentId, record));
        });
        return found;
    }

    private static PolicyChange change(String agentId, ConsumerRecord<byte[], byte[]> record) {
        var name = name(agentId, record.partition(), record.offset());
        var changedBy = Optional.ofNullable(record.headers().lastHeader(CHANGED_BY))
                .map(Header::value) // which may be null
                .map(value -> new String(value, StandardCharsets.UTF_8));
        return new PolicyChange(
                name,
                Instant.ofEpochMilli(record.timestamp()),
                changedBy,
                Optional.ofNullable(record.value()).map(value -> StoredPolicy.of(agentId, name, value)));
    }

    /** Passes on every record that the topic holds now. */
    private void scan(List<TopicPartition> partitions, TopicLog.Taker taker) {
        try (var log = new TopicLog(settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames()))) {
            log.read(log.all(partitions), taker);
        }
    }

    private static void add(Map<String, PolicyChange> found, ConsumerRecord<byte[], byte[]> record) {
        if (record.key() == null) return; // nobody's
        var agentId = new String(record.key(), StandardCharsets.UTF_8);
        var change = change(agentId, record);
        if (change.stored().isEmpty()) found.remove(agentId);
        else found.merge(agentId, change, PolicyChange::followedBy);
    }

    private static SortedMap<String, StoredPolicy> stored(Map<String, PolicyChange> changes) {
        var found = new TreeMap<String, StoredPolicy>();
        changes.forEach((agentId, change) -> change.stored().ifPresent(stored -> found.put(agentId, stored)));
        return found;
    }

    /**
     * Writes a policy and waits until it is safe.
     *
     * @param agentId or {@code *}
     * @param changedBy for the header {@code changed-by}: {@code cli:user@host} or {@code api:address}
     * @return the policy's name, as in the header {@code quota-policy}
     */
    public String put(String agentId, PolicyDocument policy, String changedBy) {
        return Objects.requireNonNull(
                write(Collections.singletonMap(agentId, policy), changedBy).get(agentId));
    }

    /** Deletes a policy and waits until that is safe; does nothing if there is none. */
    public void delete(String agentId, String changedBy) {
        write(Collections.singletonMap(agentId, null), changedBy);
    }

    /**
     * Writes many policies and waits until all are safe; a null value deletes.
     *
     * @return the policies' names by key
     * @throws InvalidPartitionsException if the topic has several partitions; nothing was written
     * @throws KafkaException if one was not written; earlier ones, and some later ones, may have been
     */
    public Map<String, String> write(Map<String, @Nullable PolicyDocument> changes, String changedBy) {
        requireOnePartition(); // and that it exists: brokers might create it uncompacted
        var producer = producer();
        var sent = new LinkedHashMap<String, Future<RecordMetadata>>();
        changes.forEach((agentId, policy) -> {
            byte[] value = policy == null ? null : PolicyJson.write(policy);
            var record = new ProducerRecord<>(topic, 0, agentId.getBytes(StandardCharsets.UTF_8), value);
            record.headers().add(CHANGED_BY, changedBy.getBytes(StandardCharsets.UTF_8));
            sent.put(agentId, producer.send(record));
        });
        producer.flush();
        var names = new LinkedHashMap<String, String>();
        sent.forEach((agentId, future) -> {
            var position = await(future);
            names.put(agentId, name(agentId, position.partition(), position.offset()));
        });
        return names;
    }

    private static String name(String agentId, int partition, long offset) {
        return agentId + "@" + partition + "/" + offset;
    }

    private List<TopicPartition> partitions() {
        try {
            return await(Objects.requireNonNull(admin.describeTopics(List.of(topic))
                            .topicNameValues()
                            .get(topic)))
                    .partitions()
                    .stream()
                    .map(partition -> new TopicPartition(topic, partition.partition()))
                    .toList();
        } catch (UnknownTopicOrPartitionException missing) {
            throw new UnknownTopicOrPartitionException(
                    "topic " + topic + " does not exist: create it with `tollgate topics create`");
        }
    }

    private List<TopicPartition> onePartition() {
        var partitions = partitions();
        if (partitions.size() == 1) return partitions;
        throw new InvalidPartitionsException(notOnePartition(topic, partitions.size()));
    }

    private synchronized Producer<byte[], byte[]> producer() {
        if (producer == null) {
            var properties = settings.kafka().clientProperties("producer.", ProducerConfig.configNames());
            properties.putIfAbsent(ProducerConfig.MAX_BLOCK_MS_CONFIG, "10000");
            properties.putIfAbsent(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, "5000");
            properties.putIfAbsent(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "15000");
            properties.put(ProducerConfig.ACKS_CONFIG, "all");
            properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
            properties.remove(ProducerConfig.TRANSACTIONAL_ID_CONFIG);
            producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        }
        return producer;
    }

    private static <T> T await(Future<T> future) {
        try {
            return future.get(); // the clients' own timeouts end it
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException kafka ? kafka : new KafkaException(e.getCause());
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }

    @Override
    public synchronized void close() {
        if (producer != null) producer.close(Duration.ofSeconds(1));
        admin.close(Duration.ofSeconds(1));
    }
}
