package io.tollgate.sandbox.process;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;

/**
 * A real Kafka broker (KRaft, broker and controller in one) in a JVM of its own, on free ports of 127.0.0.1.
 *
 * <p>Thread-safe, except that only one thread at a time may kill, restart or close it.
 */
public final class KafkaBroker extends SandboxServer {
    private static final Duration START_TIMEOUT = Duration.ofSeconds(60);

    /** How to start a broker. */
    public static final class BrokerOptions extends StartOptions<BrokerOptions> {
        private Map<String, String> properties = Map.of();
        private boolean shortLived;

        private Optional<Security> security = Optional.empty();

        private BrokerOptions() {}

        /** A temporary folder, a free port, no more properties. */
        public static BrokerOptions defaults() {
            return new BrokerOptions();
        }

        /** Sets one more broker property, on top of the settings for a small machine. */
        public BrokerOptions withProperty(String name, String value) {
            return changed(copy -> copy.properties = plus(properties, Map.of(name, value)));
        }

        /** Serves for some minutes only, as in tests: its code is then compiled quickly rather than well. */
        public BrokerOptions asShortLived() {
            return changed(copy -> copy.shortLived = true);
        }

        /** TLS, logins and ACLs for the users of {@code security}, each with its rights. */
        public BrokerOptions withSecurity(Security security) {
            return changed(copy -> copy.security = Optional.of(security));
        }
    }

    private final int mutualPort;
    private final BrokerOptions options;

    private KafkaBroker(ServerHome home, BrokerOptions options) {
        super(home, options, "broker.log");
        this.mutualPort = options.security.isPresent() ? FreePorts.next() : 0;
        this.options = options;
        runs(launch());
    }

    /** Starts a broker for a test, with a temporary folder on a free port, and returns when it answers. */
    public static KafkaBroker start() {
        return start(BrokerOptions.defaults().asShortLived());
    }

    /**
     * Starts a broker and returns when it answers.
     *
     * @throws IllegalStateException if it does not, with the end of its log
     */
    public static KafkaBroker start(BrokerOptions options) {
        return start("Kafka", options, "tollgate-kafka-", home -> new KafkaBroker(home, options));
    }

    @Override
    ChildProcess launch() {
        var command = smallJvm(
                options.shortLived,
                "sandbox-logback.xml",
                System.getProperty("java.class.path"),
                BrokerMain.class.getName(),
                write("broker.properties", properties()));
        return ChildProcess.start(
                "Kafka", command, Map.of(), variable -> variable.equals("JAVA_TOOL_OPTIONS"), workingDir(), log());
    }

    /** Our own working folder, because the class path may name its parts from there. */
    private static Path workingDir() {
        return Path.of("").toAbsolutePath();
    }

    private Properties properties() {
        int controllerPort = FreePorts.next();
        var properties = fixedProperties("/sandbox-broker.properties");
        properties.put("controller.quorum.voters", "1@127.0.0.1:" + controllerPort);
        if (options.security.isPresent()) listenSecurely(properties, controllerPort, options.security.get());
        else listenToAnybody(properties, controllerPort);
        properties.put("log.dirs", home().path().resolve("data").toString());
        properties.putAll(options.properties);
        return properties;
    }

    private void listenToAnybody(Properties properties, int controllerPort) {
        properties.put("listeners", "PLAINTEXT://" + address() + ",CONTROLLER://127.0.0.1:" + controllerPort);
        properties.put("advertised.listeners", "PLAINTEXT://" + address());
        properties.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        properties.put("inter.broker.listener.name", "PLAINTEXT");
    }

    private void listenSecurely(Properties properties, int controllerPort, Security security) {
        var clients = "CLIENT://" + address() + ",MUTUAL://127.0.0.1:" + mutualPort;
        properties.put("listeners", clients + ",CONTROLLER://127.0.0.1:" + controllerPort);
        properties.put("advertised.listeners", clients);
        properties.put("listener.security.protocol.map", "CLIENT:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL");
        properties.put("inter.broker.listener.name", "MUTUAL");
        properties.putAll(security.brokerProperties());
    }

    @Override
    void awaitReady() {
        ChildProcess starting = process();
        var config = options.security
                .map(own -> Rights.at(mutualTlsServers(), own.brokerCertificate()))
                .orElseGet(() -> Rights.at(bootstrapServers(), Map.of()));
        config.put(AdminClientConfig.RECONNECT_BACKOFF_MS_CONFIG, 20);
        config.put(AdminClientConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, 100);
        config.put(AdminClientConfig.RETRY_BACKOFF_MS_CONFIG, 20);
        // A client logs each refused connection, so wait for the port first.
        starting.awaitReady(() -> !FreePorts.isFree(port()), START_TIMEOUT);
        try (Admin admin = Admin.create(config)) {
            starting.awaitReady(() -> answers(admin), START_TIMEOUT);
            if (options.security.isPresent()) grant(starting, admin, options.security.get());
        }
    }

    /** Returns when the passwords are known: the broker learns them a moment after they are written. */
    private void grant(ChildProcess starting, Admin admin, Security security) {
        try {
            Rights.grant(admin, security);
        } catch (ExecutionException e) {
            throw new IllegalStateException("cannot give rights on Kafka: " + e.getCause(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
        // One user is enough: all passwords were written together.
        starting.awaitReady(() -> logsIn(Security.APPLICATION), START_TIMEOUT);
    }

    private boolean logsIn(String user) {
        try (Admin admin = Admin.create(clientProperties(user))) {
            return answers(admin);
        }
    }

    private static boolean answers(Admin admin) {
        try {
            return !admin.describeCluster().nodes().get(2, TimeUnit.SECONDS).isEmpty();
        } catch (ExecutionException | TimeoutException notYet) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Returns {@code 127.0.0.1:PORT}. */
    public String bootstrapServers() {
        return address();
    }

    /** Returns {@code 127.0.0.1:PORT} where clients log in with a certificate; only with security. */
    public String mutualTlsServers() {
        return "127.0.0.1:" + mutualPort;
    }

    /** Returns the client properties of this user; without security, of an anonymous one. */
    public Map<String, Object> clientProperties(String user) {
        return Rights.at(
                bootstrapServers(),
                options.security.map(own -> own.clientProperties(user)).orElse(Map.of()));
    }
}
