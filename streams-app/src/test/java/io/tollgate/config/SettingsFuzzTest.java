package io.tollgate.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsFuzzTest {
    private static final int ROUNDS = Integer.getInteger("tollgate.fuzz.records", 10_000) / 5;
    private static final String SECRET = "hunter2";
    private static final List<String> VARIABLES = List.of(
            "KAFKA_BOOTSTRAP_SERVERS",
            "KAFKA_SECURITY_PROTOCOL",
            "KAFKA_MAX_POLL_RECORDS",
            "KAFKA_SASL_JAAS_CONFIG",
            "KAFKA_SASL_JAAS_CONFIG_FILE",
            "KAFKA_SSL_KEY_PASSWORD",
            "KAFKA_",
            "KAFKA_COMMIT_INTERVAL_MS",
            "KAFKA_TRANSACTION_TIMEOUT_MS",
            "KAFKA_HEARTBEAT_INTERVAL_MS",
            "KAFKA_DELIVERY_TIMEOUT_MS",
            "KAFKA_RETRIES",
            "KAFKA_ACKS",
            "KAFKA_TOPIC_RETENTION_MS",
            "KAFKA_TOPIC_SEGMENT_MS",
            "KAFKA_PORT",
            "REDIS_URI",
            "REDIS_URL",
            "REDIS_URL_FILE",
            "REDIS_USERNAME",
            "REDIS_PASSWORD",
            "REDIS_PASSWORD_FILE",
            "TOKEN_BUCKET_SIZE",
            "TOKEN_REFILL_RATE",
            "TOLLGATE_APPLICATION_ID",
            "TOLLGATE_PROCESSING_GUARANTEE",
            "TOLLGATE_STREAM_THREADS",
            "TOLLGATE_STATE_DIR",
            "TOLLGATE_REDIS_TIMEOUT_MS",
            "TOLLGATE_HTTP_HOST",
            "TOLLGATE_HTTP_PORT",
            "TOLLGATE_HTTP_TOKEN",
            "TOLLGATE_HTTP_TOKEN_FILE",
            "TOLLGATE_REQUESTS_TOPIC",
            "TOLLGATE_POLICIES_TOPIC",
            "TOLLGATE_NONE");
    private static final List<String> VALUES = List.of(
            "",
            " ",
            "0",
            "-1",
            "1",
            "NaN",
            "1e400",
            "0x1",
            "10d",
            "9999999999",
            "true",
            "localhost:9092",
            "a:1,b",
            "/",
            "/etc",
            "\u0000",
            "..",
            "redis://user:" + SECRET + "@host",
            "redis://:" + SECRET + "@:0",
            "redis://:" + SECRET + "@host?ssl=true",
            "tcp://10.0.0.1:6379",
            "+7",
            "rediss://host:99999",
            "redis-sentinel://" + SECRET + "@a:1,b:2/0#m",
            "http://" + SECRET + "@x",
            "SASL_SSL",
            "é",
            "%zz",
            "[::1]:80");

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 20_261_123})
    void everyMistakeIsOneLine(long seed) {
        var random = new Random(seed);
        for (int round = 0; round < ROUNDS; round++) {
            var variables = new HashMap<String, String>();
            for (int i = random.nextInt(6); i >= 0; i--) {
                var value = VALUES.get(random.nextInt(VALUES.size()));
                if (random.nextInt(4) == 0)
                    value += (char) random.nextInt(0x250) + VALUES.get(random.nextInt(VALUES.size()));
                variables.put(VARIABLES.get(random.nextInt(VARIABLES.size())), value);
            }
            variables.put("TOLLGATE_HTTP_TOKEN", "canary-" + seed);
            try {
                var settings = Settings.from(variables, Settings.Use.TOOL);
                assertThat(settings.toString()).doesNotContain("canary-");
            } catch (SettingsException e) {
                assertThat(e.mistakes())
                        .as(variables.toString())
                        .isNotEmpty()
                        .allSatisfy(mistake -> assertThat(mistake).doesNotContain("\n", "\r", "canary-"));
            }
        }
    }
}
