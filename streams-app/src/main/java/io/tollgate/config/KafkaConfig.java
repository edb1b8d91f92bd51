package io.tollgate.config;

import io.tollgate.config.KafkaProperties.Property;
import io.tollgate.env.Env;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The address of Kafka, and the client properties that the user overrides.
 *
 * @param bootstrapServers KAFKA_BOOTSTRAP_SERVERS, default localhost:9092
 * @param properties other KAFKA_ variables by the property's name: KAFKA_SECURITY_PROTOCOL is security.protocol; and
 *     KAFKA_SASL_JAAS_CONFIG_FILE names a file with sasl.jaas.config
 * @param ignored KAFKA_ variables that container images set for Kafka's own scripts
 */
public record KafkaConfig(String bootstrapServers, Map<String, String> properties, Set<String> ignored) {
    private static final String SERVERS = "KAFKA_BOOTSTRAP_SERVERS";
    private static final Pattern ADDRESS = Pattern.compile("(\\S+://)?([^\\s:]+|\\[[0-9a-fA-F:]+]):(?<port>\\d{1,5})");

    /** Variables of images and of Kafka's own scripts: docs/settings.md lists the same. */
    private static final Pattern OF_IMAGES = Pattern.compile(
            "KAFKA_(HOME|VERSION|SCALA_VERSION|USER|GROUP|DEBUG(_FLAG)?"
                    + "|(HEAP|JVM_PERFORMANCE|GC_LOG|JMX|LOG4J|LOG4J_CMD)_OPTS|OPTS|JMX_(PORT|HOSTNAME)"
                    + "|LOG4J_LOGGERS|LOG4J_ROOT_LOGLEVEL|TOOLS_LOG4J_LOGLEVEL"
                    + "|(BASE|CONF|MOUNTED_CONF|DATA|LOG|CERTS|VOLUME|INITSCRIPTS)_DIR|CONF_FILE|DAEMON_(USER|GROUP)|EXPORTER_HOME)");

    static KafkaConfig from(Env env) {
        var servers = env.text(SERVERS, "localhost:9092");
        for (String server : servers.split(",", -1)) {
            if (!isAddress(server.strip())) {
                env.mistake(
                        SERVERS, "must be host:port, or several with commas", servers.replaceAll("[^,/]*@", "***@"));
                break;
            }
        }
        var properties = new TreeMap<String, String>();
        var ignored = new TreeSet<String>();
        var variables = env.startingWith(KafkaProperties.PREFIX).keySet();
        for (var variable : variables) {
            if (variable.equals(SERVERS)) continue;
            var secret = secretOf(variable);
            if (secret.isPresent() && variables.contains(secret.get())) continue; // read with its file
            var property = KafkaProperties.of(secret.orElse(variable));
            if (property != null) {
                read(env, secret.orElse(variable), property).ifPresent(value -> properties.put(property.key(), value));
            } else if (OF_IMAGES.matcher(variable).matches()) {
                env.ignore(variable);
                ignored.add(variable);
            } else {
                unknown(env, variable);
            }
        }
        misspelled(env);
        new KafkaConflicts(env, properties).check();
        return new KafkaConfig(servers, properties, ignored);
    }

    /** Returns the variable whose value is in a file, if this variable names the file. */
    private static Optional<String> secretOf(String variable) {
        if (!variable.endsWith(Env.FILE) || KafkaProperties.known().containsKey(variable)) return Optional.empty();
        return Optional.of(variable.substring(0, variable.length() - Env.FILE.length()))
                .filter(named -> KafkaProperties.known().containsKey(named) && !named.equals(SERVERS));
    }

    private static Optional<String> read(Env env, String variable, Property property) {
        // A file may hold any property; only secrets are masked.
        var value = env.secret(variable);
        boolean secret = property.isSecret();
        if (!secret) value.ifPresent(text -> env.show(variable, text));
        var broken = value.flatMap(text -> KafkaRules.brokenBy(property, text))
                .or(() -> value.filter(text -> !property.takes(text)).map(text -> property.rule()));
        // The user may have named the wrong file, and it may hold a secret.
        boolean inFile = env.startingWith(variable).get(variable) == null;
        broken.ifPresent(rule -> env.mistake(
                inFile ? variable + Env.FILE : variable, rule, secret || inFile ? "***" : value.orElse("")));
        return broken.isPresent() ? Optional.empty() : value;
    }

    /**
     * Reports property names without KAFKA_, or with a misspelled prefix, which would be ignored silently otherwise.
     */
    private static void misspelled(Env env) {
        for (var name : env.startingWith("").keySet()) {
            if (name.startsWith(KafkaProperties.PREFIX)) continue;
            var meant = KafkaProperties.ofProperty(name);
            if (meant.isEmpty() && name.toUpperCase(Locale.ROOT).startsWith("K")) meant = Env.meant(name, variables());
            if (meant.isEmpty()) continue;
            env.ignore(name);
            env.unknown(name, "is not a variable that Tollgate knows", meant);
        }
    }

    private static List<String> variables() {
        var known = KafkaProperties.variables();
        known.add(SERVERS);
        return known;
    }

    private static void unknown(Env env, String variable) {
        env.ignore(variable);
        var rule = variable.startsWith("KAFKA_TOPIC_")
                ? "is not a setting of the topics that Kafka Streams makes"
                : "is not a property of Kafka's clients";
        env.unknown(variable, rule, Env.meant(variable, variables()));
    }

    private static boolean isAddress(String server) {
        var address = ADDRESS.matcher(server);
        if (!address.matches()) return false;
        int port = Integer.parseInt(address.group("port"));
        return port >= 1 && port <= 65_535;
    }

    private static boolean isTaken(String scope, String name, String value) {
        return KafkaProperties.definitions(scope).stream()
                .map(definition -> definition.configKeys().get(name))
                .allMatch(key -> key == null || KafkaProperties.takes(key, value));
    }

    /**
     * Returns the properties for one kind of client: those without a scope, and those with this one, such as
     * "producer.". Values that only another client accepts are left out: {@code group.protocol=streams} is not
     * for consumers.
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

    /** Returns names without values, which may be secrets. */
    @Override
    public String toString() {
        return "KafkaConfig[" + bootstrapServers + ", " + properties.keySet() + "]";
    }
}
