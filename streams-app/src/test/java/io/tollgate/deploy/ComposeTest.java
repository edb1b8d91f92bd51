package io.tollgate.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.config.Settings;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** docker-compose.yml, the Dockerfile and what they mount, held against the application where no Docker engine runs. */
class ComposeTest {
    private static final JsonNode SERVICES =
            DeploymentFiles.yaml("docker-compose.yml").get("services");

    private static final Pattern HOST = Pattern.compile("(?:^|[,@]|//)([a-z][a-z0-9-]*):\\d+");

    @Test
    void imagesHaveVersions() {
        var images = new TreeSet<>(SERVICES.findValuesAsText("image"));
        Pattern.compile("(?m)^FROM (\\S+)")
                .matcher(DeploymentFiles.text("Dockerfile"))
                .results()
                .forEach(from -> images.add(from.group(1)));

        assertThat(images)
                .hasSizeGreaterThan(6)
                .allMatch(image -> image.matches(".+:v?\\d+\\.\\d+.*"), "a full version");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tollgate-1", "tollgate-2", "topics", "load"})
    void applicationKnowsEverySetting(String service, @TempDir Path dir) throws Exception {
        var environment = environmentOf(SERVICES.get(service));
        environment.put("TOLLGATE_STATE_DIR", dir.toString());

        var settings = Settings.from(environment, Settings.Use.PIPELINE); // throws if one is unknown or wrong

        assertThat(settings.kafka().ignored()).isEmpty();
        assertThat(settings.redis().uri()).isPresent();
        assertThat(settings.http().host())
                .as("reachable from outside of the container")
                .isEqualTo("0.0.0.0");
    }

    @Test
    void oneServiceBuildsEachTag() {
        var built = new TreeMap<String, String>();
        SERVICES.properties().forEach(service -> {
            if (service.getValue().has("build"))
                assertThat(built.put(service.getValue().get("image").asText(), service.getKey()))
                        .as("who builds %s besides %s", service.getValue().get("image"), service.getKey())
                        .isNull();
        });
        assertThat(built).hasSize(1);

        SERVICES.properties().forEach(service -> {
            var builder = built.get(service.getValue().get("image").asText());
            if (builder == null || builder.equals(service.getKey())) return;
            assertThat(service.getValue().path("pull_policy").asText())
                    .as("%s: no registry has the tag", service.getKey())
                    .isEqualTo("never");
            assertThat(service.getValue()
                            .at("/depends_on/" + builder + "/condition")
                            .asText())
                    .as("%s starts when its image is built", service.getKey())
                    .isEqualTo("service_completed_successfully");
        });
    }

    @Test
    void consoleWorksWithADemoToken() throws Exception {
        for (var service : List.of("tollgate-1", "tollgate-2")) {
            var token =
                    SERVICES.get(service).at("/environment/TOLLGATE_HTTP_TOKEN").asText();
            assertThat(token).isNotEmpty();
            assertThat(DeploymentFiles.text("docker-compose.yml").lines().takeWhile(line -> line.startsWith("#")))
                    .as("said at the top")
                    .anyMatch(line -> line.contains("token: " + token));
        }
    }

    @Test
    void everyNameLeadsToAService() {
        SERVICES.properties().forEach(service -> {
            var depends = service.getValue().path("depends_on");
            var names = depends.isArray()
                    ? depends.valueStream().map(JsonNode::asText).toList()
                    : depends.properties().stream().map(Map.Entry::getKey).toList();
            assertThat(names).as(service.getKey()).allMatch(SERVICES::has);
            service.getValue()
                    .path("environment")
                    .properties()
                    .forEach(variable -> HOST.matcher(variable.getValue().asText())
                            .results()
                            .map(host -> host.group(1))
                            .filter(host -> !host.equals("localhost"))
                            .forEach(host -> assertThat(SERVICES.has(host))
                                    .as("%s of %s leads to %s", variable.getKey(), service.getKey(), host)
                                    .isTrue()));
        });
        var sources = DeploymentFiles.yaml("deploy/grafana/provisioning/datasources/tollgate.yml")
                .findValuesAsText("url");
        assertThat(sources)
                .hasSize(2)
                .allMatch(url -> SERVICES.has(url.replaceFirst("^http://", "").replaceFirst(":\\d+$", "")));
    }

    @Test
    void commandsExistInTheImage() {
        var entryPoint = DeploymentFiles.entryPoint();
        for (var service : List.of("topics", "load")) {
            var words = SERVICES.get(service)
                    .get("entrypoint")
                    .valueStream()
                    .map(JsonNode::asText)
                    .toList();
            assertThat(words).first().isEqualTo(entryPoint.get(0));
            assertThat(words)
                    .containsSequence(entryPoint.subList(entryPoint.indexOf("-jar"), entryPoint.size()))
                    .noneMatch(option -> option.contains("SharedArchive"));
        }
        assertThat(SERVICES.get("tollgate-1").has("entrypoint")).isFalse();
        assertThat(DeploymentFiles.text("Dockerfile")).containsPattern("(?m)^CMD \\[\"run\"\\]$");
    }

    /** What the image sets and what the composition adds, as the process sees them. */
    private static Map<String, String> environmentOf(JsonNode service) {
        var environment = new HashMap<String, String>();
        var set = DeploymentFiles.text("Dockerfile").replace("\\\n", " ");
        Pattern.compile("(?m)^ENV (.*)$").matcher(set).results().forEach(line -> {
            for (String variable : line.group(1).strip().split("\\s+")) {
                environment.put(variable.split("=")[0], variable.split("=")[1]);
            }
        });
        assertThat(environment).isNotEmpty();
        service.get("environment")
                .properties()
                .forEach(variable ->
                        environment.put(variable.getKey(), variable.getValue().asText()));
        return environment;
    }

    @Test
    void instancesDifferInStateAndPort() {
        assertThat(SERVICES.get("tollgate-1").get("environment"))
                .isEqualTo(SERVICES.get("tollgate-2").get("environment"));
        assertThat(SERVICES.get("tollgate-1").get("volumes"))
                .isNotEqualTo(SERVICES.get("tollgate-2").get("volumes"));
    }

    @Test
    void mountedFilesExist() {
        for (JsonNode mount : SERVICES.findValues("volumes").stream()
                .flatMap(all -> all.valueStream())
                .toList()) {
            var source = mount.asText().split(":")[0];
            if (source.startsWith("./"))
                assertThat(DeploymentFiles.ROOT.resolve(source)).exists();
        }
    }

    @Test
    void portsAreOnLoopbackOnly() {
        assertThat(SERVICES.findValues("ports").stream().flatMap(all -> all.valueStream()))
                .hasSizeGreaterThan(5)
                .allMatch(port -> port.asText().startsWith("127.0.0.1:"));
    }

    @Test
    void containersHaveNoSpareRights() {
        for (String service : List.of("tollgate-1", "tollgate-2", "topics", "load")) {
            assertThat(SERVICES.get(service).get("read_only").asBoolean()).isTrue();
            assertThat(SERVICES.get(service).get("cap_drop").get(0).asText()).isEqualTo("ALL");
        }
        assertThat(DeploymentFiles.text("Dockerfile"))
                .containsPattern("(?m)^USER \\d+:\\d+$")
                .containsPattern("(?m)^ENTRYPOINT \\[\"java\"") // exec form, and no shell between: SIGTERM arrives
                .containsPattern("(?m)^HEALTHCHECK .*CMD \\[");
    }

    @Test
    void prometheusScrapesEveryInstance() {
        var targets = new TreeSet<String>();
        for (JsonNode target :
                DeploymentFiles.yaml("deploy/prometheus/prometheus.yml").findValue("targets")) {
            targets.add(target.asText());
        }

        assertThat(targets).containsExactly("tollgate-1:8080", "tollgate-2:8080");
        assertThat(SERVICES.has("tollgate-1") && SERVICES.has("tollgate-2")).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"overview", "agent"})
    void noPanelCoversAnother(String name) {
        var dashboard = DeploymentFiles.json("deploy/grafana/dashboards/" + name + ".json");
        var taken = new TreeSet<String>();

        for (JsonNode panel : dashboard.get("panels")) {
            var place = panel.get("gridPos");
            for (int x = 0; x < place.get("w").asInt(); x++) {
                for (int y = 0; y < place.get("h").asInt(); y++) {
                    int column = place.get("x").asInt() + x;
                    assertThat(column).isLessThan(24);
                    assertThat(taken.add(column + "/" + (place.get("y").asInt() + y)))
                            .as(panel.get("title").asText())
                            .isTrue();
                }
            }
        }
        assertThat(taken).isNotEmpty();
    }

    /** Who has data sources under other names, or several pipelines, chooses them at the top; ours are chosen at first. */
    @ParameterizedTest
    @CsvSource({"overview, prometheus, datasource", "agent, grafana-postgresql-datasource, audit"})
    void dataSourceIsAVariable(String name, String type, String variable) {
        var dashboard = DeploymentFiles.json("deploy/grafana/dashboards/" + name + ".json");
        var provisioned = DeploymentFiles.yaml("deploy/grafana/provisioning/datasources/tollgate.yml")
                .get("datasources")
                .valueStream()
                .filter(source -> source.get("type").asText().equals(type))
                .findFirst()
                .orElseThrow();
        var first = dashboard.at("/templating/list/0");

        assertThat(first.get("name").asText()).isEqualTo(variable);
        assertThat(first.get("type").asText()).isEqualTo("datasource");
        assertThat(first.get("query").asText()).isEqualTo(type);
        assertThat(first.at("/current/value").asText())
                .isEqualTo(provisioned.get("uid").asText());
        assertThat(dashboard.findValues("datasource"))
                .hasSizeGreaterThan(5)
                .allSatisfy(source -> assertThat(source.get("uid").asText()).isEqualTo("${" + variable + "}"));
    }

    @Test
    void everyPanelKeepsToItsPipeline() {
        var overview = DeploymentFiles.json("deploy/grafana/dashboards/overview.json");

        assertThat(overview.at("/templating/list").valueStream())
                .extracting(variable -> variable.get("name").asText())
                .containsExactly("datasource", "job", "instance");
        assertThat(overview.findValuesAsText("expr")).hasSizeGreaterThan(20).allSatisfy(expression -> {
            var chosen = Pattern.compile("[a-z]+(?:_[a-z]+)+\\{job=~\"\\$job\", instance=~\"\\$instance\"");
            assertThat(chosen.matcher(expression).results().count())
                    .as(expression)
                    .isPositive()
                    .isEqualTo(DeploymentFiles.metricsIn(expression).count());
        });
    }

    /** Off unless TRACING is set: then each file is where the instances look for it, and their spans go to a service that is started. */
    @Test
    void tracingProfileFitsTogether() {
        var download = SERVICES.at("/agent/command")
                .valueStream()
                .map(JsonNode::asText)
                .toList();
        var url = Pattern.compile("https://.*/opentelemetry-javaagent-(.*)\\.jar")
                .matcher(download.get(download.size() - 1));
        assertThat(url.matches()).isTrue();
        assertThat(DeploymentFiles.text("pom.xml"))
                .as("the version that TracingIT runs with")
                .contains("<opentelemetry-javaagent.version>" + url.group(1) + "<");
        assertThat(DeploymentFiles.text("docs/tracing.md")).contains(url.group());
        assertThat(download).contains("/agent/opentelemetry-javaagent.jar");
        assertThat(SERVICES.at("/agent/volumes/0").asText()).isEqualTo("agent:/agent");
        for (var instance : List.of("tollgate-1", "tollgate-2")) {
            var service = SERVICES.get(instance);
            var options = service.at("/environment/JAVA_TOOL_OPTIONS").asText();
            assertThat(options)
                    .startsWith("${TRACING:+-javaagent:/opt/agent/opentelemetry-javaagent.jar ")
                    .endsWith("}");
            assertThat(options).contains("=/opt/opentelemetry/agent.properties");
            assertThat(service.get("volumes").valueStream().map(JsonNode::asText))
                    .contains("agent:/opt/agent:ro", "./deploy/opentelemetry:/opt/opentelemetry:ro");
            assertThat(service.at("/depends_on/agent/required").asBoolean(true)).isFalse();
            assertThat(service.at("/environment/OTEL_EXPORTER_OTLP_ENDPOINT").asText())
                    .isEqualTo("http://jaeger:4318");
        }
        for (var started : List.of("agent", "jaeger")) {
            assertThat(SERVICES.get(started).get("profiles").valueStream().map(JsonNode::asText))
                    .containsExactly("tracing");
        }
        assertThat(DeploymentFiles.ROOT.resolve("deploy/opentelemetry/agent.properties"))
                .exists();
    }

    @Test
    void composeAcceptsTheFile() throws Exception {
        var client = composeClient();
        assumeTrue(client != null, "neither `docker compose` nor `docker-compose` is installed");
        var command = new java.util.ArrayList<>(client);
        command.addAll(List.of("-f", "docker-compose.yml", "config", "--quiet"));

        assertThat(Program.run(command)).as("exit code of " + command).isZero();
    }

    private static List<String> composeClient() throws Exception {
        for (var client : List.of(List.of("docker", "compose"), List.of("docker-compose"))) {
            if (!Program.isOnPath(client.get(0))) continue;
            var version = new java.util.ArrayList<>(client);
            version.add("version");
            if (Program.run(version) == 0) return client;
        }
        return null;
    }
}
