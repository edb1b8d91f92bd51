package io.tollgate.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigDef.ValidString;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.jspecify.annotations.Nullable;

/** The properties of Kafka's clients, of Kafka Streams, and of the topics that Kafka Streams creates. */
final class KafkaProperties {
    static final String PREFIX = "KAFKA_";
    static final String TOPIC = "topic.";

    /** Scopes whose properties differ from those of the same name for all clients. */
    private static final List<String> SCOPES = List.of(
            "main.consumer.", "restore.consumer.", "global.consumer.", "consumer.", "producer.", "admin.", TOPIC);
    /** Prefixes after which the name is the user's own. */
    private static final List<String> OPEN = List.of(StreamsConfig.CLIENT_TAG_PREFIX, "metrics.context.");

    private static final ConfigDef TOPICS = topics();
    private static final List<ConfigDef> CLIENTS = List.of(
            StreamsConfig.configDef(),
            ConsumerConfig.configDef(),
            ProducerConfig.configDef(),
            AdminClientConfig.configDef());
    private static final Map<String, Property> BY_VARIABLE = byVariable();

    /**
     * One property.
     *
     * @param scope such as "producer."; empty: all clients
     */
    record Property(String scope, String name) {
        String key() {
            return scope + name;
        }

        boolean isSecret() {
            return keys().stream().anyMatch(key -> key.type == Type.PASSWORD);
        }

        private List<ConfigDef.ConfigKey> keys() {
            return definitions(scope).stream()
                    .map(definition -> definition.configKeys().get(name))
                    .filter(Objects::nonNull)
                    .toList();
        }

        /** Returns whether Kafka accepts the value: Kafka Streams if it knows the property, else any of the clients. */
        boolean takes(String value) {
            var keys = keys();
            if (keys.isEmpty()) return true; // a name of the user's own
            boolean isOfStreams = scope.isEmpty() && CLIENTS.get(0).configKeys().containsKey(name);
            return (isOfStreams ? keys.subList(0, 1) : keys)
                    .stream().anyMatch(key -> KafkaProperties.takes(key, value));
        }

        /** Returns the rule of a legal value, as the end of a sentence. */
        String rule() {
            var key = keys().get(0);
            var validator = key.validator == null ? "" : String.valueOf(key.validator);
            boolean readable = !validator.isEmpty() && !validator.contains("@") && !validator.contains("Lambda");
            return "must be a value that Kafka accepts for " + name + ": "
                    + key.type.name().toLowerCase(Locale.ROOT) + (readable ? " " + validator : "");
        }
    }

    private KafkaProperties() {}

    /** Returns every property by its variable. */
    static Map<String, Property> known() {
        return BY_VARIABLE;
    }

    /** Returns the property a variable sets; null if it sets none. */
    static @Nullable Property of(String variable) {
        var found = BY_VARIABLE.get(variable);
        if (found != null) return found;
        for (var open : OPEN) {
            var start = PREFIX + variable(open);
            if (variable.startsWith(start) && variable.length() > start.length()) {
                var rest = variable.substring(start.length()).toLowerCase(Locale.ROOT);
                return new Property("", open + rest.replace('_', '.'));
            }
        }
        return null;
    }

    /** Returns the variable of a property, given by its dotted name; empty if there is none. */
    static Optional<String> ofProperty(String name) {
        var variable = PREFIX + variable(name);
        return name.contains(".") && BY_VARIABLE.containsKey(variable) ? Optional.of(variable) : Optional.empty();
    }

    private static Map<String, Property> byVariable() {
        var all = new TreeMap<String, Property>();
        for (var definition : CLIENTS) {
            for (var name : definition.names()) all.putIfAbsent(PREFIX + variable(name), new Property("", name));
        }
        for (var scope : SCOPES) {
            for (var name : definitions(scope).get(0).names()) {
                all.putIfAbsent(PREFIX + variable(scope + name), new Property(scope, name));
            }
        }
        return all;
    }

    private static String variable(String property) {
        return property.toUpperCase(Locale.ROOT).replace('.', '_');
    }

    static List<ConfigDef> definitions(String scope) {
        return switch (scope) {
            case "" -> CLIENTS;
            case "producer." -> List.of(ProducerConfig.configDef());
            case "admin." -> List.of(AdminClientConfig.configDef());
            case TOPIC -> List.of(TOPICS);
            default -> List.of(ConsumerConfig.configDef());
        };
    }

    static boolean takes(ConfigDef.ConfigKey key, String value) {
        try {
            Object parsed = ConfigDef.parseType(key.name, value, key.type);
            if (key.validator != null) key.validator.ensureValid(key.name, parsed);
            return true;
        } catch (ConfigException illegal) {
            return false;
        }
    }

    /** The brokers' own definition is not part of the clients. */
    private static ConfigDef topics() {
        var topics = new ConfigDef();
        for (var name : List.of(
                TopicConfig.FLUSH_MESSAGES_INTERVAL_CONFIG,
                TopicConfig.FLUSH_MS_CONFIG,
                TopicConfig.FILE_DELETE_DELAY_MS_CONFIG,
                TopicConfig.DELETE_RETENTION_MS_CONFIG,
                TopicConfig.MIN_COMPACTION_LAG_MS_CONFIG,
                TopicConfig.SEGMENT_JITTER_MS_CONFIG,
                TopicConfig.MESSAGE_TIMESTAMP_BEFORE_MAX_MS_CONFIG,
                TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG)) define(topics, name, Type.LONG, Range.atLeast(0));
        for (var name : List.of(TopicConfig.SEGMENT_MS_CONFIG, TopicConfig.MAX_COMPACTION_LAG_MS_CONFIG)) {
            define(topics, name, Type.LONG, Range.atLeast(1));
        }
        for (var name : List.of(
                TopicConfig.RETENTION_MS_CONFIG,
                TopicConfig.RETENTION_BYTES_CONFIG,
                TopicConfig.LOCAL_LOG_RETENTION_MS_CONFIG,
                TopicConfig.LOCAL_LOG_RETENTION_BYTES_CONFIG)) define(topics, name, Type.LONG, Range.atLeast(-2));
        define(topics, TopicConfig.SEGMENT_BYTES_CONFIG, Type.INT, Range.atLeast(1024 * 1024));
        define(topics, TopicConfig.SEGMENT_INDEX_BYTES_CONFIG, Type.INT, Range.atLeast(4));
        define(topics, TopicConfig.INDEX_INTERVAL_BYTES_CONFIG, Type.INT, Range.atLeast(0));
        define(topics, TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Type.INT, Range.atLeast(0));
        define(topics, TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG, Type.INT, Range.atLeast(1));
        define(topics, TopicConfig.MIN_CLEANABLE_DIRTY_RATIO_CONFIG, Type.DOUBLE, Range.between(0, 1));
        define(topics, TopicConfig.COMPRESSION_GZIP_LEVEL_CONFIG, Type.INT, Range.between(-1, 9));
        define(topics, TopicConfig.COMPRESSION_LZ4_LEVEL_CONFIG, Type.INT, Range.between(1, 17));
        define(topics, TopicConfig.COMPRESSION_ZSTD_LEVEL_CONFIG, Type.INT, Range.between(-131_072, 22));
        define(
                topics,
                TopicConfig.COMPRESSION_TYPE_CONFIG,
                Type.STRING,
                ValidString.in("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"));
        define(
                topics,
                TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG,
                Type.STRING,
                ValidString.in("CreateTime", "LogAppendTime"));
        define(topics, TopicConfig.CLEANUP_POLICY_CONFIG, Type.LIST, null);
        for (var name : List.of(
                TopicConfig.UNCLEAN_LEADER_ELECTION_ENABLE_CONFIG,
                TopicConfig.PREALLOCATE_CONFIG,
                TopicConfig.REMOTE_LOG_STORAGE_ENABLE_CONFIG)) define(topics, name, Type.BOOLEAN, null);
        return topics;
    }

    private static void define(ConfigDef topics, String name, Type type, ConfigDef.@Nullable Validator validator) {
        topics.define(name, type, ConfigDef.NO_DEFAULT_VALUE, validator, Importance.LOW, "");
    }

    /** Returns the variables of all properties, for suggestions after a typing mistake. */
    static List<String> variables() {
        return new ArrayList<>(BY_VARIABLE.keySet());
    }
}
