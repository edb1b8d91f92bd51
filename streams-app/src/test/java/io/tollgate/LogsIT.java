package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The log of the running application. */
class LogsIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    void formatComesFromTheFile(@TempDir Path dir) throws IOException {
        var config = Files.writeString(dir.resolve("config"), "TOLLGATE_LOG_FORMAT=json\n");
        try (var cluster = TestCluster.on("127.0.0.1:1").with("TOLLGATE_LOG_FORMAT", "text");
                var application = cluster.launch("run", "--config", config.toString())) {
            await().atMost(SOON).until(() -> application.output().contains("waiting for Kafka at 127.0.0.1:1"));

            assertThat(application.output().lines()).allMatch(line -> line.startsWith("{"));
        }
    }

    @Test
    void logHasOneLineForEachChange() throws Exception {
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withPassword("canary-password"));
                var cluster = TestCluster.onSharedBroker()
                        .withLimit(50, 1)
                        .with("REDIS_URL", redis.uri())
                        .with("TOLLGATE_HTTP_TOKEN", "canary-token")
                        .with("TOLLGATE_LOG_FORMAT", "json");
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            for (int i = 0; i < 500; i++) requests.send("agent-" + i % 10, 1, i);
            for (int i = 0; i < 100; i++) {
                requests.sendUnreadable(null, "{\"agent_id\":\"evil\\n\\u001b[31m\"}".getBytes(UTF_8));
            }
            decisions.await(600, application);

            redis.kill();
            await().pollInterval(Duration.ofMillis(50)).atMost(SOON).until(() -> {
                requests.send("agent-1", 0, 1);
                return TestCluster.metric(application, "tollgate_redis_in_use") == 0;
            });
            redis.restart();
            await().atMost(SOON).until(() -> TestCluster.metric(application, "tollgate_redis_in_use") == 1);

            // The metrics tell how often the breaker changed, because a busy machine may have opened it once more.
            await().atMost(SOON).untilAsserted(() -> {
                var outages = outages(application);
                assertThat(outages).hasSize(transitions(application, "closed") - 1);
                assertThat(outages).allSatisfy(reasons -> assertThat(reasons).doesNotHaveDuplicates());
                assertThat(saying(application, "Redis answers")).isEqualTo(transitions(application, "closed"));
            });
            assertThat(saying(application, "deciding requests")).isEqualTo(1);
            assertThat(lines(application)).as(application.output()).hasSizeLessThan(40);
            assertThat(application.output()).doesNotContain("evil", "canary");
        }
    }

    /** Returns the lines of each outage, which tell each of its reasons once. */
    private static List<List<String>> outages(ApplicationProcess application) throws Exception {
        var outages = new ArrayList<List<String>>();
        boolean away = false;
        for (var line : lines(application)) {
            var message = line.get("formattedMessage").asText();
            if (message.startsWith("Redis answers")) away = false;
            if (!message.startsWith("Redis cannot be used")) continue;
            if (!away) outages.add(new ArrayList<>());
            away = true;
            outages.get(outages.size() - 1).add(message);
        }
        return outages;
    }

    private static long saying(ApplicationProcess application, String start) throws Exception {
        return lines(application).stream()
                .filter(line -> line.get("formattedMessage").asText().startsWith(start))
                .count();
    }

    private static int transitions(ApplicationProcess application, String to) {
        return (int) Math.round(
                TestCluster.metric(application, "tollgate_redis_breaker_transitions_total{to=\"" + to + "\"}"));
    }

    /** Every line must be a JSON object. */
    private static List<JsonNode> lines(ApplicationProcess application) throws Exception {
        var lines = new ArrayList<JsonNode>();
        for (String line : application.output().lines().toList()) lines.add(JSON.readTree(line));
        return lines;
    }
}
