package io.tollgate.config;

import io.tollgate.bucket.Limit;
import io.tollgate.env.DefaultLimit;
import io.tollgate.env.Env;
import java.util.Map;

/** All settings of the environment. Immutable. */
public record Settings(
        KafkaConfig kafka,
        RedisConfig redis,
        Topics topics,
        Limit defaultLimit,
        StreamsSettings streams,
        HttpConfig http) {
    /** Kafka Streams' own transaction timeout of its producers under exactly-once. */
    private static final String STREAMS_TRANSACTION_TIMEOUT_MS = "10000";

    /** The use of the settings: only the pipeline itself needs the state folder. */
    public enum Use {
        PIPELINE,
        TOOL
    }

    /**
     * Reads the settings from the environment only.
     *
     * @throws SettingsException with all mistakes
     */
    public static Settings from(Map<String, String> environment, Use use) throws SettingsException {
        return from(Env.of(environment), use);
    }

    /**
     * Reads the settings from the sources of the reader.
     *
     * @throws SettingsException with all mistakes
     */
    public static Settings from(Env env, Use use) throws SettingsException {
        var settings = new Settings(
                KafkaConfig.from(env),
                RedisConfig.from(env),
                Topics.from(env),
                DefaultLimit.from(env),
                StreamsSettings.from(env),
                HttpConfig.from(env));
        if (settings.streams().exactlyOnce()) checkTransactionTimeout(env, settings);
        if (use == Use.PIPELINE) settings.streams().checkStateDir(env);
        // logback.xml reads it as the name of the appender.
        env.oneOf("TOLLGATE_LOG_FORMAT", "text", Map.of("text", "text", "json", "json"));
        env.rejectUnknown("TOLLGATE_");
        if (!env.mistakes().isEmpty()) throw new SettingsException(env.mistakes());
        return settings;
    }

    /** Returns the settings for this Kafka cluster, which is known once a broker has answered. */
    public Settings inCluster(String clusterId) {
        return new Settings(kafka, redis, topics, defaultLimit, streams.inCluster(clusterId), http);
    }

    /** Returns the settings with this server as the only bootstrap server. */
    public Settings withServer(String server) {
        var at = new KafkaConfig(server, kafka.properties(), kafka.ignored());
        return new Settings(at, redis, topics, defaultLimit, streams, http);
    }

    /** A wait within a transaction must end long before the brokers abort the transaction. */
    private static void checkTransactionTimeout(Env env, Settings settings) {
        var properties = settings.kafka().properties();
        long transactionMillis = Long.parseLong(properties
                .getOrDefault(
                        "producer.transaction.timeout.ms",
                        properties.getOrDefault("transaction.timeout.ms", STREAMS_TRANSACTION_TIMEOUT_MS))
                .strip());
        // Several calls may fail before the breaker opens.
        atMost(
                env,
                "TOLLGATE_REDIS_TIMEOUT_MS",
                settings.redis().timeout().toMillis(),
                transactionMillis / 10,
                "a tenth",
                transactionMillis);
        var commit = properties.get("commit.interval.ms");
        if (commit == null) return;
        atMost(
                env,
                "KAFKA_COMMIT_INTERVAL_MS",
                Long.parseLong(commit.strip()),
                transactionMillis / 2,
                "half",
                transactionMillis);
    }

    private static void atMost(
            Env env, String variable, long millis, long mostMillis, String part, long transactionMillis) {
        if (millis <= mostMillis) return;
        env.mistake(
                variable,
                "must be at most " + mostMillis + ": " + part + " of the transaction timeout of " + transactionMillis
                        + " ms",
                Long.toString(millis));
    }
}
