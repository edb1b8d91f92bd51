package io.tollgate.config;

import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/**
 * How to reach Kafka, and any client property that the user overrides.
 *
 * @param bootstrapServers KAFKA_BOOTSTRAP_SERVERS, default localhost:9092
 * @param properties other KAFKA_ variables by the property's name: KAFKA_SECURITY_PROTOCOL is security.protocol
 * @param ignored KAFKA_ variables that are no property of any client, such as those that container images set
 */
public record KafkaConfig(String bootstrapServers, Map<String, String> properties, Set<String> ignored) {
    private static final String PREFIX = "KAFKA_";
    private static final Set<String> SCOPES =
            Set.of("consumer.", "main.consumer.", "restore.consumer.", "global.consumer.", "producer.", "admin.");
    private static final Set<String> OURS = Set.of("bootstrap.servers", "application.id", "state.dir");

    static KafkaConfig from(Env env) {
        var servers = env.text("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092");
        for (String server : servers.split(",", -1)) {
            if (!server.strip().matches("(\\S+://)?[^\\s:]+:\\d{1,5}|(\\S+://)?\\[[0-9a-fA-F:]+]:\\d{1,5}")) {
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
            if (OURS.contains(property)) return;
            if (known.contains(unscoped(property)) || property.startsWith("topic.")) properties.put(property, value);
            else ignored.add(variable);
        });
        return new KafkaConfig(servers, properties, ignored);
    }

    /** Returns the properties for one kind of client: those without a scope, and those with this one, such as "producer.". */
    public Map<String, Object> clientProperties(String scope, Set<String> knownToClient) {
        var chosen = new TreeMap<String, Object>();
        properties.forEach((name, value) -> {
            if (knownToClient.contains(name)) chosen.put(name, value);
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
        return Stream.of(
                        ConsumerConfig.configNames(),
                        ProducerConfig.configNames(),
                        AdminClientConfig.configNames(),
                        StreamsConfig.configDef().names())
                .flatMap(Set::stream)
                .collect(Collectors.toUnmodifiableSet());
    }

    /** Names, but no values: they may be secrets. */
    @Override
    public String toString() {
        return "KafkaConfig[" + bootstrapServers + ", " + properties.keySet() + "]";
    }
}
