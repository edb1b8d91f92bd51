package io.tollgate.config;

import io.tollgate.bucket.Limit;
import java.util.Map;

/** Everything that the environment says. Immutable. */
public record Settings(
        KafkaConfig kafka,
        RedisConfig redis,
        Topics topics,
        Limit defaultLimit,
        StreamsSettings streams,
        HttpConfig http) {
    /** Whether the state folder must be there: only the pipeline itself needs it. */
    public enum Use {
        PIPELINE,
        TOOL
    }

    /**
     * Reads the variables.
     *
     * @throws SettingsException with every mistake there is
     */
    public static Settings from(Map<String, String> variables, Use use) throws SettingsException {
        var env = new Env(variables);
        double capacity =
                env.number("TOKEN_BUCKET_SIZE", 1000, 0, 0, Limit.LARGEST, "must be a number above 0 and at most 1e12");
        double refill = env.number(
                "TOKEN_REFILL_RATE", 10, Double.NEGATIVE_INFINITY, 0, Limit.LARGEST, "must be a number from 0 to 1e12");
        var settings = new Settings(
                KafkaConfig.from(env),
                RedisConfig.from(env),
                Topics.from(env),
                new Limit(capacity, refill),
                StreamsSettings.from(env),
                HttpConfig.from(env));
        if (use == Use.PIPELINE) settings.streams().checkStateDir(env);
        env.text("TOLLGATE_LOG_FORMAT"); // read by the logging configuration
        env.rejectUnknown("TOLLGATE_");
        if (!env.mistakes().isEmpty()) throw new SettingsException(env.mistakes());
        return settings;
    }
}
