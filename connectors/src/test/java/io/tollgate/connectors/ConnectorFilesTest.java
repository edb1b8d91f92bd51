package io.tollgate.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.config.Topics;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.connector.Connector;
import org.apache.kafka.connect.runtime.ConnectorConfig;
import org.apache.kafka.connect.runtime.SinkConnectorConfig;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every setting of every file is known to the part that reads it, and legal. Needs no server. */
class ConnectorFilesTest {
    private static final Path PLUGINS = Path.of("target", "layout", "plugins").toAbsolutePath();
    private static final Pattern REFERENCE = Pattern.compile("\\$\\{env:([A-Z_]+)}");

    /** Read by Connect itself and in no ConfigDef of a connector. */
    private static final Pattern CLIENT_OVERRIDE = Pattern.compile("(consumer|producer|admin)\\.override\\.(.+)");

    static List<ConnectorFile> files() {
        return ConnectorFile.all();
    }

    @ParameterizedTest
    @MethodSource("files")
    void everySettingIsKnownAndLegal(ConnectorFile file) throws Exception {
        assertThat(problems(file.config())).isEmpty();
    }

    @Test
    void mistakesAreFound() throws Exception {
        var broken =
                new TreeMap<>(ConnectorFile.named("rejected-requests-audit").config());
        broken.put("insert.mode", "sideways");
        broken.put("flush.retires", "3");
        broken.put("consumer.override.isolation.levle", "read_committed");
        broken.put("transforms.kafka.offset.fild", "kafka_offset");
        broken.remove("transforms.record.field");
        broken.put("errors.tolerance", "some");

        assertThat(String.join("\n", problems(broken)))
                .contains(
                        "insert.mode",
                        "flush.retires",
                        "isolation.levle",
                        "offset.fild",
                        "record.field",
                        "errors.tolerance");
    }

    @ParameterizedTest
    @MethodSource("files")
    void fileIsNamedAfterItsConnector(ConnectorFile file) {
        assertThat(file.path()).hasFileName(file.name() + ".json");
    }

    @ParameterizedTest
    @MethodSource("files")
    void hostsAndSecretsAreVariables(ConnectorFile file) {
        file.config().forEach((key, value) -> {
            if (key.endsWith("password")) assertThat(value).matches(REFERENCE);
            if (key.equals("connection.url") || key.equals("database.hostname")) {
                assertThat(value).contains("${env:POSTGRES_HOST}");
            }
            assertThat(value).doesNotContain("localhost").doesNotContain("127.0.0.1");
        });
    }

    @Test
    void topicsAreTheApplicationsDefaults() throws SettingsException {
        Topics topics = Settings.from(Map.of(), Settings.Use.TOOL).topics();

        assertThat(ConnectorFile.named("rejected-requests-audit").config().get("topics"))
                .isEqualTo(topics.rejected());
        assertThat(ConnectorFile.named("quota-events-audit").config().get("topics"))
                .isEqualTo(topics.events());
        assertThat(ConnectorFile.named("approved-requests-audit").config().get("topics"))
                .isEqualTo(topics.approved());
        assertThat(ConnectorFile.named("settled-requests-audit").config().get("topics"))
                .isEqualTo(topics.settled());
        assertThat(ConnectorFile.named("agent-quotas-audit").config().get("topics"))
                .isEqualTo(topics.policies());
        assertThat(ConnectorFile.named("agent-quotas-source").config().get("transforms.topic.replacement"))
                .isEqualTo(topics.policies());
    }

    /** Decisions that are taken back must not be audited, and a dead letter is not lost. */
    @ParameterizedTest
    @MethodSource("files")
    void sinkReadsCommittedAndKeepsBadOnes(ConnectorFile file) {
        if (!file.config().containsKey("topics")) return;
        assertThat(file.config())
                .containsEntry("consumer.override.isolation.level", "read_committed")
                .containsEntry("errors.tolerance", "all")
                .containsEntry("errors.deadletterqueue.topic.name", file.name() + "-dead-letters")
                .containsEntry("connection.restart.on.errors", "true");
    }

    @Test
    void eventFieldsMatchTheirSchema() throws Exception {
        JsonNode schema = ConnectorFile.json(ConnectorFile.ROOT.resolve("schemas/quota-event.schema.json"));
        JsonNode content = ConnectorFile.JSON.readTree(
                ConnectorFile.named("quota-events-audit").config().get("value.converter.schema.content"));

        assertThat(fields(content)).isEqualTo(properties(schema));
    }

    private static Map<String, String> properties(JsonNode schema) {
        Set<String> required = new HashSet<>();
        schema.path("required").forEach(name -> required.add(name.asText()));
        var all = new TreeMap<String, String>();
        schema.path("properties").properties().forEach(entry -> {
            String type = entry.getValue().path("type").asText(entry.getValue().has("enum") ? "string" : "");
            if (type.equals("object")) {
                properties(entry.getValue()).forEach((name, what) -> all.put(entry.getKey() + "_" + name, what));
            } else {
                all.put(entry.getKey(), type + (required.contains(entry.getKey()) ? "" : ", optional"));
            }
        });
        return all;
    }

    private static Map<String, String> fields(JsonNode struct) {
        var types = Map.of("string", "string", "int32", "integer", "int64", "integer", "double", "number");
        var all = new TreeMap<String, String>();
        struct.path("fields").forEach(field -> {
            String name = field.path("field").asText();
            if (field.path("type").asText().equals("struct")) {
                fields(field).forEach((inner, what) -> all.put(name + "_" + inner, what));
            } else {
                all.put(
                        name,
                        types.get(field.path("type").asText())
                                + (field.path("optional").asBoolean() ? ", optional" : ""));
            }
        });
        return all;
    }

    private static List<String> problems(Map<String, String> given) throws Exception {
        var config = new TreeMap<>(given);
        // As a worker would: a reference is a legal value of any kind.
        config.replaceAll((key, value) ->
                REFERENCE.matcher(value).replaceAll(found -> found.group(1).endsWith("PORT") ? "5432" : "x"));
        var problems = new ArrayList<String>();
        var known = new TreeSet<String>();
        var thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (var plugins = new URLClassLoader(jars(), ConnectorFilesTest.class.getClassLoader())) {
            thread.setContextClassLoader(plugins); // where Kafka looks for the classes that settings name
            var connector = create(plugins, config.get("connector.class"), Connector.class);
            check("", connector.config(), config, problems, known);
            debeziumsOwnRules(plugins, connector, config, problems);
            check(
                    "",
                    connector instanceof SinkConnector ? SinkConnectorConfig.configDef() : ConnectorConfig.configDef(),
                    config,
                    problems,
                    known);
            for (String side : List.of("key.converter", "value.converter")) {
                var converter = create(plugins, config.get(side), Converter.class);
                check(side + ".", converter.config(), config, problems, known);
            }
            if (config.containsKey("header.converter")) {
                var converter = create(plugins, config.get("header.converter"), HeaderConverter.class);
                check("header.converter.", converter.config(), config, problems, known);
            }
            for (String name : config.getOrDefault("predicates", "").split(",")) {
                if (name.isEmpty()) continue;
                String prefix = "predicates." + name + ".";
                known.add(prefix + "type");
                try (var predicate = create(plugins, config.get(prefix + "type"), Predicate.class)) {
                    check(prefix, predicate.config(), config, problems, known);
                }
            }
            for (String name : config.getOrDefault("transforms", "").split(",")) {
                String prefix = "transforms." + name + ".";
                known.addAll(List.of(prefix + "type", prefix + "predicate", prefix + "negate"));
                try (var transformation = create(plugins, config.get(prefix + "type"), Transformation.class)) {
                    check(prefix, transformation.config(), config, problems, known);
                }
                String predicate = config.get(prefix + "predicate");
                if (predicate != null
                        && !List.of(config.get("predicates").split(",")).contains(predicate)) {
                    problems.add(prefix + "predicate names " + predicate + ", which is not there");
                }
            }
        } finally {
            thread.setContextClassLoader(before);
        }
        for (String key : config.keySet()) {
            var override = CLIENT_OVERRIDE.matcher(key);
            if (override.matches()) {
                var clients = override.group(1).equals("consumer")
                        ? org.apache.kafka.clients.consumer.ConsumerConfig.configNames()
                        : org.apache.kafka.clients.producer.ProducerConfig.configNames();
                if (!clients.contains(override.group(2)))
                    problems.add(key + " is no setting of the " + override.group(1));
            } else if (!known.contains(key)
                    && !key.startsWith("topic.creation.default.")
                    && !key.startsWith("database.tcp")) {
                // topic.creation: read where a source connector's topics are made; database.*: handed on to the driver
                problems.add(key + " is known to nobody");
            }
        }
        return problems;
    }

    private static void check(
            String prefix, ConfigDef definition, Map<String, String> config, List<String> problems, Set<String> known) {
        definition.names().forEach(name -> known.add(prefix + name));
        var own = new LinkedHashMap<String, String>();
        if (prefix.endsWith("converter.")) own.put("converter.type", prefix.split("\\.")[0]); // Connect puts it in
        config.forEach((key, value) -> {
            if (key.startsWith(prefix)) own.put(key.substring(prefix.length()), value);
        });
        for (ConfigValue value : definition.validate(own)) {
            // Connect's own name of the connector is put in when it is loaded.
            if (value.name().equals("name")) continue;
            value.errorMessages().forEach(message -> problems.add(prefix + value.name() + ": " + message));
        }
    }

    /** Debezium's rules stand beside its ConfigDef; the connector would apply them when it starts. */
    private static void debeziumsOwnRules(
            ClassLoader plugins, Connector connector, Map<String, String> config, List<String> problems)
            throws Exception {
        Class<?> settings = Class.forName(connector.getClass().getName() + "Config", true, plugins);
        Class<?> configuration = Class.forName("io.debezium.config.Configuration", true, plugins);
        Object given = configuration.getMethod("from", Map.class).invoke(null, config);
        Consumer<String> problem = problems::add;
        configuration
                .getMethod("validateAndRecord", Iterable.class, Consumer.class)
                .invoke(given, settings.getField("ALL_FIELDS").get(null), problem);
    }

    private static <T> T create(ClassLoader plugins, String name, Class<T> kind) throws Exception {
        return kind.cast(
                Class.forName(name, true, plugins).getDeclaredConstructor().newInstance());
    }

    private static URL[] jars() throws Exception {
        try (var files = Files.walk(PLUGINS)) {
            var urls = new ArrayList<URL>();
            for (Path file :
                    files.filter(file -> file.toString().endsWith(".jar")).toList()) {
                urls.add(file.toUri().toURL());
            }
            return urls.toArray(new URL[0]);
        }
    }
}
