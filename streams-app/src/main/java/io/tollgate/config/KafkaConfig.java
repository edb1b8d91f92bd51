package io.tollgate.config;

import io.tollgate.env.Env;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.streams.StreamsConfig;

/**
 * How to reach Kafka, and any client property that the user overrides.
 *
 * @param bootstrapServers KAFKA_BOOTSTRAP_SERVERS, default localhost:9092
 * @param properties other KAFKA_ variables by the property's name: KAFKA_SECURITY_PROTOCOL is security.protocol; and
 *     KAFKA_SASL_JAAS_CONFIG_FILE names a file with sasl.jaas.config
 * @param ignored KAFKA_ variables that are no property of any client, such as those that container images set
 */
public record KafkaConfig(String bootstrapServers, Map<String, String> properties, Set<String> ignored) {
    private static final String PREFIX = "KAFKA_";
    /** What {@link Env#FILE} is in a property's name. */
    private static final String FILE = ".file";

    private static final Set<String> SCOPES =
            Set.of("consumer.", "main.consumer.", "restore.consumer.", "global.consumer.", "producer.", "admin.");
    private static final Set<String> OURS = Set.of("bootstrap.servers", "application.id", "state.dir");

    private static final List<ConfigDef> ALL = List.of(
            ConsumerConfig.configDef(),
            ProducerConfig.configDef(),
            AdminClientConfig.configDef(),
            StreamsConfig.configDef());
    private static final Pattern ADDRESS = Pattern.compile("(\\S+://)?([^\\s:]+|\\[[0-9a-fA-F:]+]):(?<port>\\d{1,5})");

    static KafkaConfig from(Env env) {
        var servers = env.text("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092");
        for (String server : servers.split(",", -1)) {
            if (!isAddress(server.strip())) {
                env.mistake("KAFKA_BOOTSTRAP_SERVERS", "must be host:port, or several with commas", servers);
                break;
            }
        }
        var properties = new TreeMap<String, String>();
        var ignored = new TreeSet<String>();
        var known = knownProperties();
        env.startingWith(PREFIX).forEach((variable, value) -> {
            var property =
                    variable.substring(PREFIX.length()).toLowerCase(Locale.ROOT).replace('_', '.');
            if (OURS.contains(property)) {
                env.ignore(variable);
                return;
            }
            var withoutFile = property.endsWith(FILE) ? property.substring(0, property.length() - FILE.length()) : "";
            if (known.contains(unscoped(withoutFile)) && !known.contains(unscoped(property))) {
                var name = variable.substring(0, variable.length() - Env.FILE.length());
                env.secret(name).ifPresent(secret -> {
                    properties.put(withoutFile, secret);
                    checkValue(env, name, withoutFile, secret);
                });
                return;
            }
            if (known.contains(unscoped(property)) || property.startsWith("topic.")) {
                var read = isSecret(unscoped(property)) ? env.secret(variable) : env.text(variable);
                properties.put(property, read.orElse(value));
                checkValue(env, variable, property, value);
            } else {
                env.ignore(variable);
                ignored.add(variable);
            }
        });
        return new KafkaConfig(servers, properties, ignored);
    }

    private static boolean isAddress(String server) {
        var address = ADDRESS.matcher(server);
        if (!address.matches()) return false;
        int port = Integer.parseInt(address.group("port"));
        return port >= 1 && port <= 65_535;
    }

    /** Kafka would find out later, and report only the first. What one of the clients takes is taken: group.protocol differs. */
    private static void checkValue(Env env, String variable, String property, String value) {
        var name = unscoped(property);
        var scope = property.substring(0, property.length() - name.length());
        var keys = definitions(scope).stream()
                .map(definition -> definition.configKeys().get(name))
                .filter(Objects::nonNull)
                .toList();
        if (keys.isEmpty() || keys.stream().anyMatch(key -> takes(key, value))) return;
        var key = keys.get(0);
        boolean secret = key.type == ConfigDef.Type.PASSWORD;
        var rule = "must be what Kafka takes for " + name + ": "
                + key.type.name().toLowerCase(Locale.ROOT) + (key.validator == null ? "" : " " + key.validator);
        env.mistake(variable, rule, secret ? "***" : value);
    }

    private static boolean takes(ConfigDef.ConfigKey key, String value) {
        try {
            Object parsed = ConfigDef.parseType(key.name, value, key.type);
            if (key.validator != null) key.validator.ensureValid(key.name, parsed);
            return true;
        } catch (ConfigException illegal) {
            return false;
        }
    }

    private static boolean isSecret(String name) {
        return ALL.stream()
                .map(definition -> definition.configKeys().get(name))
                .anyMatch(key -> key != null && key.type == ConfigDef.Type.PASSWORD);
    }

    private static boolean isTaken(String scope, String name, String value) {
        return definitions(scope).stream()
                .map(definition -> definition.configKeys().get(name))
                .allMatch(key -> key == null || takes(key, value));
    }

    private static List<ConfigDef> definitions(String scope) {
        return switch (scope) {
            case "" -> ALL;
            case "producer." -> List.of(ProducerConfig.configDef());
            case "admin." -> List.of(AdminClientConfig.configDef());
            default -> List.of(ConsumerConfig.configDef());
        };
    }

    /**
     * Returns the properties for one kind of client: those without a scope, and those with this one, such as "producer.". A value
     * that only another client takes is left to that one: {@code group.protocol=streams} is no consumer's.
     */
    public Map<String, Object> clientProperties(String scope, Set<String> knownToClient) {
        var chosen = new TreeMap<String, Object>();
        properties.forEach((name, value) -> {
            if (knownToClient.contains(name) && isTaken(scope, name, value)) chosen.put(name, value);
        });
        properties.forEach((name, value) -> {
            if (name.startsWith(scope)) chosen.put(name.substring(scope.length()), value);
        });
        chosen.put("bootstrap.servers", bootstrapServers);
        return chosen;
    }

    private static String unscoped(String property) {
        return SCOPES.stream()
                .filter(property::startsWith)
                .findFirst()
                .map(scope -> property.substring(scope.length()))
                .orElse(property);
    }

    private static Set<String> knownProperties() {
        return ALL.stream().flatMap(definition -> definition.names().stream()).collect(Collectors.toUnmodifiableSet());
    }

    /** Names, but no values: they may be secrets. */
    @Override
    public String toString() {
        return "KafkaConfig[" + bootstrapServers + ", " + properties.keySet() + "]";
    }
}
