package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.deploy.DeploymentFiles;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The metrics of a pipeline that has seen traffic of every kind. */
class MetricsIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    private static RedisServer redis;
    private static TestCluster cluster;
    private static ApplicationProcess application;
    private static List<String> scrape;

    @BeforeAll
    static void scrapeAfterTraffic() throws Exception {
        redis = RedisServer.start(RedisServer.RedisOptions.defaults());
        cluster = TestCluster.onSharedBroker().withLimit(5, 0).withPatience().with("REDIS_URL", redis.uri());
        application = cluster.start();
        try (var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            for (int i = 0; i < 20; i++) requests.send("agent", 1, i);
            requests.send("agent", 6, 20);
            requests.sendByCrc32("agent", 1, 21);
            for (int i = 0; i < 8; i++) requests.sendWithoutKey("agent", 1, i);
            for (String value : List.of("{broken", "{\"agent_id\":7}", "{\"agent_id\":\"a\",\"tokens\":-1}", "")) {
                requests.sendUnreadable(null, value.getBytes(UTF_8));
            }
            decisions.await(requests.published().size(), application);
        }
        await().atMost(SOON).until(() -> sum("tollgate_lag_records", scrape()) == 0);
        scrape = scrape();
    }

    @AfterAll
    static void stop() {
        if (application != null) application.close();
        if (cluster != null) cluster.close();
        if (redis != null) redis.close();
    }

    @Test
    void pageHasEveryServedMetric() throws IOException {
        var documented = documented();
        collectGarbage();
        await("the family that the first collection makes").atMost(SOON).untilAsserted(() -> {
            scrape = scrape();
            assertThat(families()).contains("jvm_gc_pause_seconds");
        });
        assertThat(documented).filteredOn(name -> name.startsWith("tollgate_")).hasSizeGreaterThan(15);

        assertThat(families()).as("documented and not served").containsAll(documented);
        assertThat(documented)
                .as("served and not documented")
                .containsAll(families().stream()
                        .filter(name -> name.startsWith("tollgate_"))
                        .toList());
    }

    @Test
    void dashboardsAskForServedMetrics() {
        var series = scrape.stream()
                .filter(line -> !line.startsWith("#"))
                .map(line -> line.split("[{ ]")[0])
                .collect(Collectors.toSet());
        var asked = DeploymentFiles.metricsAskedFor();

        assertThat(asked).hasSizeGreaterThan(15);
        assertThat(series).containsAll(asked);
    }

    @Test
    void trafficIsCountedByKind() {
        assertThat(value("tollgate_decisions_total", "decided_by=\"redis\"", "reason=\"none\"", "verdict=\"approved\""))
                .isEqualTo(5);
        assertThat(value("tollgate_decisions_total", "reason=\"quota_exceeded\"", "decided_by=\"redis\""))
                .isEqualTo(24);
        assertThat(value("tollgate_decisions_total", "reason=\"cost_exceeds_capacity\"", "decided_by=\"redis\""))
                .isEqualTo(1);
        for (String rule : List.of("json", "agent_id", "tokens", "empty")) {
            assertThat(value("tollgate_invalid_requests_total", "rule=\"" + rule + "\""))
                    .as(rule)
                    .isEqualTo(1);
        }
        assertThat(value("tollgate_strays_total")).isBetween(1.0, 9.0);
        assertThat(value("tollgate_decision_seconds_count")).isEqualTo(30);
        assertThat(value("tollgate_redis_calls_seconds_count")).isPositive();
        assertThat(value("tollgate_redis_breaker_state", "state=\"closed\"")).isEqualTo(1);
        assertThat(value("tollgate_redis_breaker_state", "state=\"open\"")).isZero();
        assertThat(value("tollgate_redis_breaker_transitions_total", "to=\"closed\""))
                .isEqualTo(1);
        assertThat(value("tollgate_mirror_agents")).isEqualTo(1);
        assertThat(scrape).noneMatch(line -> line.contains("\"agent\""));
    }

    @Test
    void namesFollowPrometheus() {
        assertThat(scrape.stream().filter(line -> line.startsWith("# TYPE tollgate_")))
                .isNotEmpty()
                .allSatisfy(line -> {
                    var type = line.split(" ");
                    assertThat(type[2].endsWith("_total")).as(line).isEqualTo(type[3].equals("counter"));
                    assertThat(type[2]).matches("[a-z_]+").doesNotContain("_ms", "_nanos", "_millis");
                });
        assertThat(scrape.stream().filter(line -> line.startsWith("tollgate_")).count())
                .as("series of ours: few enough for every instance")
                .isLessThan(150);
    }

    /** The container's health check is plain bash; here it asks the real application. */
    @Test
    void healthCheckTellsReadyFromAbsent() throws Exception {
        assertThat(healthcheck(application.http().getPort())).isZero();
        assertThat(healthcheck(1)).isNotZero();
    }

    private static int healthcheck(int port) throws Exception {
        var command = new ProcessBuilder(
                        "bash", Path.of("..", "deploy", "docker", "healthcheck").toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD);
        command.environment().put("TOLLGATE_HTTP_PORT", Integer.toString(port));
        var process = command.start();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("the health check does not end");
        }
        return process.exitValue();
    }

    /** A young process may not have collected any garbage yet. */
    private static void collectGarbage() throws IOException {
        var jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        var pid = Long.toString(application.pid());
        var running = new ProcessBuilder(jcmd, pid, "GC.run")
                .redirectErrorStream(true)
                .start();
        var said = new String(running.getInputStream().readAllBytes(), UTF_8);
        assertThat(said).contains("Command executed successfully");
    }

    /** The first column of the tables on the page of metrics. */
    private static Set<String> documented() throws IOException {
        var page = Files.readString(Path.of("..", "docs", "metrics.md"));
        var names = new TreeSet<String>();
        for (String line : page.lines().filter(row -> row.startsWith("| `")).toList()) {
            Pattern.compile("`([a-z0-9_]+)(\\{[^}]*})?`")
                    .matcher(line.split("(?<!\\\\)\\|")[1])
                    .results()
                    .forEach(name -> names.add(name.group(1)));
        }
        return names;
    }

    /** Micrometer serves the largest value of late beside each histogram, as a family of its own. */
    private static Set<String> families() {
        return scrape.stream()
                .filter(line -> line.startsWith("# TYPE "))
                .map(line -> line.split(" ")[2].replaceFirst("^(tollgate_.*)_max$", "$1"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static double value(String name, String... labels) {
        var found = scrape.stream()
                .filter(line -> line.startsWith(name + " ") || line.startsWith(name + "{"))
                .filter(line -> List.of(labels).stream().allMatch(line::contains))
                .toList();
        assertThat(found).as(name + " " + List.of(labels)).hasSize(1);
        return Double.parseDouble(found.get(0).substring(found.get(0).lastIndexOf(' ')));
    }

    private static double sum(String name, List<String> lines) {
        return lines.stream()
                .filter(line -> line.startsWith(name + "{"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    private static List<String> scrape() throws IOException, InterruptedException {
        var request =
                HttpRequest.newBuilder(application.http().resolve("/metrics")).build();
        return HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofLines())
                .body()
                .toList();
    }
}
