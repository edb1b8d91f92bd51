package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DoctorIT {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path dir;

    @Test
    void healthyClusterHasNoFinding() throws IOException {
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis().with("TOLLGATE_HTTP_TOKEN", "hunter2")) {
            var config = config(cluster);

            var ended = doctor("--json", "--config", config, "--bootstrap-server", TestCluster.sharedBroker());

            assertThat(ended.exitCode()).as(ended.output()).isZero();
            assertThat(ended.output()).doesNotContain("hunter2");
            var versions = json(ended).get("versions");
            assertThat(versions.get("kafka_clients").asText()).matches("\\d+\\.\\d+\\.\\d+");
            assertThat(versions.get("kafka_brokers").asText()).matches("4\\.\\d.*metadata.version \\d+.*1 broker.*");
            assertThat(versions.get("redis").asText()).matches("\\d+\\.\\d+\\.\\d+");
            assertThat(versions.get("lettuce").asText()).matches("\\d+\\.\\d+\\.\\d+.*");
            assertThat(versions.get("time_zones").asText()).matches("20\\d\\d[a-z]");
            assertThat(setting(ended, "KAFKA_BOOTSTRAP_SERVERS"))
                    .contains("\"source\":\"option\"", "\"from\":\"--bootstrap-server\"");
            assertThat(setting(ended, "TOLLGATE_STREAM_THREADS"))
                    .contains("\"value\":\"2\"", "\"source\":\"file\"", "\"from\":\"" + config + "\"");
            assertThat(setting(ended, "TOLLGATE_HTTP_PORT")).contains("\"value\":\"8080\"", "\"source\":\"default\"");
            assertThat(setting(ended, "TOLLGATE_HTTP_TOKEN")).contains("\"value\":\"***\"");
            assertThat(setting(ended, "REDIS_URL")).contains("redis://");
        }
    }

    @Test
    void missingServersHaveARemedy() throws IOException {
        try (var cluster = TestCluster.on("127.0.0.1:1").with("REDIS_URL", "redis://me:hunter2@127.0.0.1:1")) {
            var ended = doctor("--config", config(cluster));

            assertThat(ended.exitCode()).isEqualTo(1);
            assertThat(ended.output())
                    .contains("wrong: Kafka does not answer at 127.0.0.1:1: check --bootstrap-server")
                    .containsPattern("wrong: Redis .*check REDIS_URL")
                    .contains("redis://***@127.0.0.1:1", "TOKEN_BUCKET_SIZE ")
                    .doesNotContain("hunter2", "\tat ");
        }
    }

    @Test
    void missingTopicsAreFindings() throws IOException {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker())) {
            var ended = doctor("--json", "--config", config(cluster));

            assertThat(ended.exitCode()).isEqualTo(1);
            assertThat(json(ended).get("ok").asBoolean()).isFalse();
            assertThat(json(ended).get("findings").toString()).contains("tollgate topics create");
        }
    }

    @Test
    void mistakesInSettingsExitWith2() throws IOException {
        try (var cluster = TestCluster.on("nowhere").with("KAFKA_PROCESSING_GUARANTEE", "at_least_once")) {
            var ended = doctor("--config", config(cluster));

            assertThat(ended.exitCode()).isEqualTo(2);
            assertThat(ended.output())
                    .contains("KAFKA_BOOTSTRAP_SERVERS must be host:port", "set TOLLGATE_PROCESSING_GUARANTEE instead")
                    .hasLineCount(2);
        }
    }

    private static String setting(Ended ended, String name) throws IOException {
        for (var setting : json(ended).get("settings")) {
            if (setting.get("name").asText().equals(name)) return setting.toString();
        }
        throw new AssertionError(name + " is not shown: " + ended.output());
    }

    private String config(TestCluster cluster) throws IOException {
        var properties = new Properties();
        properties.putAll(cluster.environment());
        var file = dir.resolve("config.properties");
        try (var writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        }
        return file.toString();
    }

    private static JsonNode json(Ended ended) throws IOException {
        return JSON.readTree(ended.output());
    }

    /** Without settings in the environment; they come from the file. */
    private static Ended doctor(String... options) {
        var arguments = new ArrayList<>(List.of("doctor"));
        arguments.addAll(List.of(options));
        return TestCluster.on("127.0.0.1:1").command(arguments.toArray(String[]::new));
    }
}
