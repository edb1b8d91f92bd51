package io.tollgate.release;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.marcnuri.helm.Helm;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.tollgate.config.Settings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The chart as Helm itself renders it. */
class HelmChartIT {
    private static final String DIR = "deploy/helm/tollgate";
    private static final String KUBERNETES = "1.31.0";

    @TempDir
    private Path dir;

    @BeforeAll
    static void needsHelm() {
        assumeTrue(helmRuns(), "Helm's library is not there for this platform");
    }

    private static boolean helmRuns() {
        try {
            return Helm.version().call() != null;
        } catch (LinkageError | RuntimeException e) {
            System.err.println("Helm does not run here: " + e);
            return false;
        }
    }

    @Test
    void lintFindsNothing() {
        var lint = chart().lint().strict().call();

        assertThat(lint.isFailed()).as(lint.getMessages().toString()).isFalse();
        assertThat(lint.getMessages()).noneMatch(message -> message.contains("WARNING") || message.contains("ERROR"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "ci/plain.yaml", "ci/everything.yaml"})
    void everyFieldIsKnownAndFits(String values) throws Exception {
        for (JsonNode resource : resources("tollgate", values)) {
            var read = KubernetesApi.read(resource);

            assertThat(read.getMetadata().getName()).isNotEmpty();
            assertThat(read.getMetadata().getLabels()).containsKeys("app.kubernetes.io/name", "helm.sh/chart");
        }
    }

    @Test
    void defaultsNeedNoPrometheusOperator() throws Exception {
        assertThat(kinds(resources("tollgate", "")))
                .containsExactlyInAnyOrder(
                        "ServiceAccount",
                        "ConfigMap",
                        "Service",
                        "StatefulSet",
                        "PodDisruptionBudget",
                        "NetworkPolicy");
        assertThat(kinds(resources("tollgate", "ci/plain.yaml")))
                .contains("Secret", "ServiceMonitor", "PrometheusRule")
                .hasSize(9);
        assertThat(kinds(resources("tollgate", "ci/everything.yaml"))).doesNotContain("Secret", "ServiceAccount");
    }

    /** Each value that a user may set shows somewhere: those of ci/everything.yaml are no defaults. */
    @Test
    void everyValueIsUsed() throws Exception {
        var rendered = render("gate", DIR + "/ci/everything.yaml");
        var values = RepositoryFiles.yaml(DIR + "/ci/everything.yaml");

        var leaves = new TreeSet<String>();
        leaves(values, leaves);
        assertThat(leaves)
                .hasSizeGreaterThan(40)
                .allSatisfy(value -> assertThat(rendered).as(value).contains(value));
        var tested = new TreeSet<String>();
        RepositoryFiles.yaml(DIR + "/values.yaml").fieldNames().forEachRemaining(tested::add);
        values.fieldNames().forEachRemaining(tested::remove);
        assertThat(tested)
                .as("values that ci/everything.yaml leaves out")
                .isSubsetOf("fullnameOverride", "secret", "restartOnChange");
    }

    @Test
    void twoReleasesShareNothing() throws Exception {
        var eu = resources("eu", "ci/plain.yaml");
        var us = resources("us", "ci/plain.yaml");

        assertThat(names(eu)).isNotEmpty().doesNotContainAnyElementsOf(names(us));
        assertThat(of(eu, "StatefulSet").at("/spec/selector/matchLabels"))
                .isNotEqualTo(of(us, "StatefulSet").at("/spec/selector/matchLabels"));
        for (var kind : List.of("Service", "PodDisruptionBudget", "NetworkPolicy")) {
            assertThat(of(eu, kind).get("spec").toString())
                    .as(kind)
                    .contains("\"eu\"")
                    .doesNotContain("\"us\"");
        }
    }

    @Test
    void userIdsCanBeLeftToTheCluster() throws Exception {
        var rendered = resources("tollgate", "ci/everything.yaml");
        var pods = of(rendered, "StatefulSet").at("/spec/template/spec/securityContext");

        assertThat(pods.has("runAsUser") || pods.has("fsGroup")).isFalse();
        assertThat(pods.get("runAsNonRoot").asBoolean()).isTrue();
    }

    /** Helm's library leaves hooks out: without the annotation the pod is a resource like others. */
    @Test
    void helmTestSeesThePipelinesTopics() throws Exception {
        var copy = dir.resolve("tollgate");
        try (var files = Files.walk(RepositoryFiles.ROOT.resolve(DIR))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                var into = copy.resolve(RepositoryFiles.ROOT.resolve(DIR).relativize(file));
                Files.createDirectories(into.getParent());
                Files.writeString(into, Files.readString(file).replaceAll("(?m)^ +helm\\.sh/hook.*\n", ""));
            }
        }
        for (var values : List.of("plain", "everything")) {
            var rendered = RepositoryFiles.documents(new Helm(copy)
                    .template()
                    .withName("a-name-that-is-as-long-as-a-release-may-be-called-now")
                    .withKubeVersion(KUBERNETES)
                    .withValuesFile(copy.resolve("ci/" + values + ".yaml"))
                    .call());
            var pod = (Pod) KubernetesApi.read(of(rendered, "Pod"));
            var set = (StatefulSet) KubernetesApi.read(of(rendered, "StatefulSet"));
            var pipeline = set.getSpec().getTemplate().getSpec();
            var container = pod.getSpec().getContainers().get(0);

            assertThat(pod.getMetadata().getName()).hasSizeLessThanOrEqualTo(63);
            assertThat(pod.getMetadata().getLabels())
                    .as("no instance")
                    .doesNotContainEntry(
                            "app.kubernetes.io/name",
                            set.getSpec().getSelector().getMatchLabels().get("app.kubernetes.io/name"));
            assertThat(pod.getSpec().getSecurityContext()).isEqualTo(pipeline.getSecurityContext());
            assertThat(container.getEnvFrom())
                    .isEqualTo(pipeline.getContainers().get(0).getEnvFrom());
            assertThat(container.getCommand())
                    .isEqualTo(pipeline.getInitContainers().get(0).getCommand());
            assertThat(container.getArgs()).containsExactly("topics", "check");
        }
        assertThat(RepositoryFiles.text(DIR + "/templates/tests/topics-check.yaml"))
                .contains("helm.sh/hook: test");
    }

    @Test
    void longNamesFit() throws Exception {
        var name = "a-name-that-is-as-long-as-a-release-may-be-called-now";

        for (JsonNode resource : resources(name, "ci/plain.yaml")) {
            assertThat(resource.at("/metadata/name").asText())
                    // Kubernetes puts eleven characters behind the name of a StatefulSet into a label of its pods.
                    .hasSizeLessThanOrEqualTo(resource.get("kind").asText().equals("StatefulSet") ? 52 : 63)
                    .doesNotEndWith("-");
            resource.at("/metadata/labels")
                    .forEach(label -> assertThat(label.asText()).hasSizeLessThanOrEqualTo(63));
        }
    }

    @Test
    void changedSettingsRestartPods() throws Exception {
        var changed = resources("tollgate", values("config: {TOKEN_BUCKET_SIZE: 7}"));
        var pods = "/spec/template/metadata/annotations";

        assertThat(of(changed, "StatefulSet").at(pods))
                .isNotEqualTo(of(resources("tollgate", ""), "StatefulSet").at(pods));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{replica: 3} | replica",
                "{replicas: three} | replicas",
                "{config: {REDIS_URL: 'redis://:secret@redis'}} | config",
                "{config: {TOLLGATE_HTTP_PORT: 9090}} | config",
                "{config: {TOLLGATE-STREAM-THREADS: 2}} | config",
                "{config: {KAFKA_BOOTSTRAP_SERVERS: null}} | KAFKA_BOOTSTRAP_SERVERS",
                "{state: {size: 10 GB}} | size",
                "{image: {digest: latest}} | digest",
                "{topics: {partitions: 0}} | partitions",
                "{podDisruptionBudget: {maxUnavailable: few}} | maxUnavailable",
                "{serviceMonitor: {interval: 15}} | interval",
                "{terminationGracePeriodSeconds: 5}| terminationGracePeriodSeconds"
            })
    void mistakesAreRefused(String values, String named) throws Exception {
        var file = Files.writeString(dir.resolve("values.yaml"), values);

        assertThatThrownBy(() -> render("tollgate", file.toString()))
                .hasMessageContaining("values don't meet the specifications of the schema")
                .hasMessageContaining(named);
    }

    @Test
    void nullTakesASettingOut() throws Exception {
        var without = resources("tollgate", values("config: {KAFKA_NUM_STANDBY_REPLICAS: null}"));

        assertThat(of(without, "ConfigMap").get("data").has("KAFKA_NUM_STANDBY_REPLICAS"))
                .isFalse();
        assertThat(of(without, "ConfigMap").get("data").size()).isEqualTo(5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ci/plain.yaml", "ci/everything.yaml"})
    void theApplicationKnowsItsSettings(String values) throws Exception {
        var environment = new HashMap<>(Map.of("TOLLGATE_STATE_DIR", dir.toString()));
        for (JsonNode resource : resources("tollgate", values)) {
            Stream.concat(
                            resource.path("data").properties().stream(),
                            resource.path("stringData").properties().stream())
                    .forEach(variable -> environment.put(
                            variable.getKey(), variable.getValue().textValue()));
        }
        // The file is on the pods only.
        environment.computeIfPresent("KAFKA_SSL_TRUSTSTORE_LOCATION", (variable, file) -> trustStore());

        var settings = Settings.from(environment, Settings.Use.PIPELINE);

        assertThat(settings.kafka().ignored()).isEmpty();
    }

    private String trustStore() {
        try {
            var store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            var file = dir.resolve("trust.p12");
            try (var out = Files.newOutputStream(file)) {
                store.store(out, new char[0]);
            }
            return file.toString();
        } catch (IOException | GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void rulesAreThoseOfPrometheus() throws Exception {
        var alerts = "deploy/prometheus/alerts.yml";

        assertThat(RepositoryFiles.text(DIR + "/files/alerts.yml"))
                .as("copy %s to %s/files", alerts, DIR)
                .isEqualTo(RepositoryFiles.text(alerts));
        assertThat(of(resources("tollgate", "ci/plain.yaml"), "PrometheusRule").at("/spec/groups"))
                .isEqualTo(RepositoryFiles.yaml(alerts).get("groups"));
    }

    @Test
    void dashboardIsACopyOfGrafanas() throws Exception {
        var dashboard = RepositoryFiles.text("deploy/grafana/dashboards/overview.json");

        assertThat(RepositoryFiles.text(DIR + "/files/overview.json"))
                .as("copy deploy/grafana/dashboards/overview.json to %s/files", DIR)
                .isEqualTo(dashboard);
        assertThat(resources("gate", "ci/everything.yaml"))
                .filteredOn(resource -> resource.at("/metadata/labels/grafana_dashboard")
                        .asText()
                        .equals("1"))
                .singleElement()
                .satisfies(map -> assertThat(map.get("data"))
                        .singleElement()
                        .satisfies(json -> assertThat(json.asText()).isEqualTo(dashboard)));
    }

    @Test
    void alertsFindTheJob() throws Exception {
        var monitor = of(resources("eu", "ci/plain.yaml"), "ServiceMonitor");
        var relabeling = monitor.at("/spec/endpoints/0/relabelings/0");

        assertThat(relabeling.get("targetLabel").asText()).isEqualTo("job");
        assertThat(relabeling.get("replacement").asText()).matches(".*tollgate.*");
    }

    @Test
    void everyValueIsDescribed() {
        var schema = new TreeMap<String, JsonNode>();
        describe(RepositoryFiles.json(DIR + "/values.schema.json"), "", schema);
        var defaults = new TreeSet<String>();
        paths(RepositoryFiles.yaml(DIR + "/values.yaml"), "", schema, defaults);
        var page = Pattern.compile("(?m)^\\| `([\\w.]+)` \\| .* \\| (.*) \\|$")
                .matcher(RepositoryFiles.text(DIR + "/README.md"))
                .results()
                .toList();

        assertThat(defaults).as("values.yaml and the schema").isEqualTo(schema.keySet());
        assertThat(page.stream().map(row -> row.group(1))).containsExactlyInAnyOrderElementsOf(schema.keySet());
        assertThat(page)
                .allSatisfy(row -> assertThat(row.group(2))
                        .isEqualTo(schema.get(row.group(1)).asText()));
    }

    /** With -Dkubernetes.yaml=write the files are written. */
    @Test
    void plainResourcesComeFromTheChart() throws Exception {
        var rendered = new TreeMap<String, String>();
        for (var document : render("tollgate", DIR + "/ci/plain.yaml").split("(?m)^---\n")) {
            var source =
                    Pattern.compile("^# Source: tollgate/templates/(\\S+)\n").matcher(document);
            if (source.find() && !source.group(1).startsWith("tests/"))
                rendered.put(source.group(1), plain(document.substring(source.end())));
        }
        if (System.getProperty("kubernetes.yaml", "").equals("write")) {
            for (var file : rendered.entrySet()) {
                Files.writeString(RepositoryFiles.ROOT.resolve("deploy/kubernetes/" + file.getKey()), file.getValue());
            }
        }

        assertThat(RepositoryFiles.namesIn("deploy/kubernetes"))
                .containsAll(rendered.keySet())
                .hasSize(rendered.size() + 2)
                .contains("kustomization.yaml", "namespace.yaml");
        rendered.forEach((file, text) -> assertThat(RepositoryFiles.text("deploy/kubernetes/" + file))
                .as("%s: write it again with -Dkubernetes.yaml=write", file)
                .isEqualTo(text));
    }

    /** Without what says that Helm looks after it, and without versions: the kustomization has them. */
    private static String plain(String document) {
        return "# Rendered from deploy/helm/tollgate: change it there.\n"
                + document.lines()
                        .filter(line -> !line.matches(
                                " +(helm\\.sh/chart|app\\.kubernetes\\.io/(managed-by|version|part-of)):.*"))
                        .map(line -> line.replaceFirst("(image: tollgate):.*", "$1"))
                        .reduce("", (text, line) -> text + line + "\n");
    }

    @Test
    void versionIsThatOfTheProject() {
        var project = Pattern.compile("(?m)^  <version>(.*)</version>$").matcher(RepositoryFiles.text("pom.xml"));
        assertThat(project.find()).isTrue();
        var chart = RepositoryFiles.yaml(DIR + "/Chart.yaml");

        assertThat(chart.get("version").asText()).isEqualTo(project.group(1));
        assertThat(chart.get("appVersion").asText()).isEqualTo(project.group(1));
    }

    private String values(String yaml) throws Exception {
        return Files.writeString(dir.resolve("values.yaml"), yaml)
                .toAbsolutePath()
                .toString();
    }

    private static Helm chart() {
        return new Helm(RepositoryFiles.ROOT.resolve(DIR));
    }

    private static List<JsonNode> resources(String release, String values) throws Exception {
        var file = values.isEmpty() ? "" : values.startsWith("/") ? values : DIR + "/" + values;
        return RepositoryFiles.documents(render(release, file));
    }

    private static String render(String release, String values) {
        var template =
                chart().template().withName(release).withNamespace("apps").withKubeVersion(KUBERNETES);
        if (!values.isEmpty()) template.withValuesFile(RepositoryFiles.ROOT.resolve(values));
        return template.call();
    }

    private static JsonNode of(List<JsonNode> resources, String kind) {
        return resources.stream()
                .filter(resource -> resource.get("kind").asText().equals(kind))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + kind));
    }

    private static List<String> kinds(List<JsonNode> resources) {
        return resources.stream().map(resource -> resource.get("kind").asText()).toList();
    }

    private static List<String> names(List<JsonNode> resources) {
        return resources.stream()
                .map(resource -> resource.get("kind").asText() + "/"
                        + resource.at("/metadata/name").asText())
                .toList();
    }

    private static void leaves(JsonNode node, TreeSet<String> into) {
        if (node.isValueNode()) {
            if (!node.isBoolean() && !node.isNull()) into.add(node.asText());
            return;
        }
        node.fieldNames().forEachRemaining(name -> {
            if (name.matches("[A-Z_]+|example.com/.*")) into.add(name);
        });
        node.forEach(child -> leaves(child, into));
    }

    private static void describe(JsonNode schema, String prefix, Map<String, JsonNode> into) {
        for (var property : schema.get("properties").properties()) {
            var path = prefix + property.getKey();
            if (path.equals("global")) continue; // Helm's own
            if (property.getValue().has("description"))
                into.put(path, property.getValue().get("description"));
            else describe(property.getValue(), path + ".", into);
        }
    }

    private static void paths(JsonNode values, String prefix, Map<String, JsonNode> schema, TreeSet<String> into) {
        for (var value : values.properties()) {
            var path = prefix + value.getKey();
            if (schema.containsKey(path) || !value.getValue().isObject()) into.add(path);
            else paths(value.getValue(), path + ".", schema, into);
        }
    }
}
