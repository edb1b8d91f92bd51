package io.tollgate.preflight;

import io.tollgate.config.Settings;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyDescription;

/**
 * The topics that a built topology uses, so that every step added there is checked here. Immutable.
 *
 * @param sources topics that others fill and the topology reads
 * @param sinks topics that the topology fills for others
 * @param decided those of them that may carry whole requests
 * @param policies the policies topic, which the pipeline reads beside the topology
 * @param usage the source that holds reports instead of requests
 * @param settled the sink that reports go to instead of the others
 * @param repartition internal topics through which records travel from task to task
 * @param changelogs internal topics that back the stores
 * @param topicSettings settings of internal topics that the user gave, by name
 * @param replicationFactor of internal topics; -1: the broker's own
 * @param largestSentBytes the largest record that our own producer sends
 */
public record PipelineTopics(
        Set<String> sources,
        Set<String> sinks,
        Set<String> decided,
        String policies,
        String usage,
        String settled,
        Set<String> repartition,
        Set<String> changelogs,
        Map<String, String> topicSettings,
        short replicationFactor,
        int largestSentBytes) {
    /** Kafka Streams deletes strays itself once they have come home; retention must not delete them earlier. */
    private static final String FOR_EVER = "-1";

    /** Kafka Streams' own settings of repartition topics: small segments, which are purged soon. */
    private static final String REPARTITION_SEGMENT_BYTES = "52428800";

    /**
     * Returns the topics of the topology.
     *
     * @param streams the properties that the topology was built with
     */
    public static PipelineTopics of(Topology topology, Properties streams, Settings settings) {
        var read = new LinkedHashSet<String>();
        var written = new LinkedHashSet<String>();
        var stores = new TreeSet<String>();
        topology.describe().subtopologies().stream()
                .flatMap(part -> part.nodes().stream())
                .forEach(node -> {
                    if (node instanceof TopologyDescription.Source source) read.addAll(source.topicSet());
                    if (node instanceof TopologyDescription.Sink sink)
                        written.add(Objects.requireNonNull(sink.topic()));
                    if (node instanceof TopologyDescription.Processor processor) stores.addAll(processor.stores());
                });
        // Before it runs, a topology does not know the application's id, with which Streams prefixes the names it
        // makes.
        var prefix = settings.streams().applicationId() + "-";
        var repartition = new TreeSet<String>();
        var internal = read.stream().filter(written::contains).collect(Collectors.toSet());
        for (String topic : internal) repartition.add(prefix + topic);
        read.removeAll(internal);
        written.removeAll(internal);
        var changelogs = new TreeSet<String>();
        for (String store : stores) changelogs.add(prefix + store + "-changelog");
        var config = new StreamsConfig(streams);
        return new PipelineTopics(
                read,
                written,
                Set.of(settings.topics().approved(), settings.topics().rejected()),
                settings.topics().policies(),
                settings.topics().usage(),
                settings.topics().settled(),
                repartition,
                changelogs,
                topicSettings(config),
                config.getInt(StreamsConfig.REPLICATION_FACTOR_CONFIG).shortValue(),
                largestSentBytes(config));
    }

    private static int largestSentBytes(StreamsConfig config) {
        var producer = config.getProducerConfigs("preflight");
        return (int) Stream.of(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, ProducerConfig.BUFFER_MEMORY_CONFIG)
                .map(producer::get)
                .filter(Objects::nonNull)
                .mapToLong(bytes -> Long.parseLong(bytes.toString()))
                .min()
                .orElse(SizeLimits.DEFAULT_TOPIC_BYTES);
    }

    private static Map<String, String> topicSettings(StreamsConfig config) {
        var settings = new TreeMap<String, String>();
        config.originalsWithPrefix(StreamsConfig.TOPIC_PREFIX)
                .forEach((name, value) -> settings.put(name, String.valueOf(value)));
        return settings;
    }

    /** Returns the topics whose records wait until the application has consumed and committed them. */
    public Set<String> consumed() {
        var all = new TreeSet<>(sources);
        all.addAll(repartition);
        return all;
    }

    /** Returns the topics that Kafka Streams creates if they are missing. */
    public Set<String> internal() {
        var all = new TreeSet<>(repartition);
        all.addAll(changelogs);
        return all;
    }

    /** Returns the topics whose records may carry timestamps of this source's. */
    List<String> carrying(String source) {
        boolean isUsage = source.equals(usage);
        return Stream.concat(sinks.stream().filter(sink -> sink.equals(settled) == isUsage), repartition.stream())
                .toList();
    }

    /** Returns the topics that whole requests pass. Events are smaller. */
    List<String> carryingRequests() {
        return Stream.concat(repartition.stream(), decided.stream()).toList();
    }

    /** Returns the topics that whole reports pass. */
    List<String> carryingReports() {
        return Stream.concat(repartition.stream(), Stream.of(settled)).toList();
    }

    /** Returns the topics that an operator has to create. */
    Set<String> named() {
        var all = new LinkedHashSet<>(sources);
        all.addAll(sinks);
        all.add(policies);
        return all;
    }

    /** Returns every topic that an answer depends on. */
    public List<String> all() {
        return Stream.concat(named().stream(), internal().stream()).toList();
    }

    /** Returns an internal topic as Kafka Streams would create it. A test compares it with the created one. */
    public NewTopic asStreamsMakesIt(String topic, int partitions) {
        var config = new TreeMap<String, String>();
        config.put(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, TimestampType.CREATE_TIME.name);
        if (changelogs.contains(topic)) {
            config.put(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT);
        } else {
            config.put(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_DELETE);
            config.put(TopicConfig.SEGMENT_BYTES_CONFIG, REPARTITION_SEGMENT_BYTES);
            config.put(TopicConfig.RETENTION_MS_CONFIG, FOR_EVER);
        }
        config.putAll(topicSettings);
        return new NewTopic(
                        topic,
                        Optional.of(partitions),
                        Optional.of(replicationFactor).filter(factor -> factor > 0))
                .configs(config);
    }
}
