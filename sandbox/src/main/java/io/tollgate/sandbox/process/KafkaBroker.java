package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
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

    private final Path log;
    private final int port;
    private final int mutualPort;
    private final BrokerOptions options;

    private KafkaBroker(ServerHome home, BrokerOptions options) {
        super(home);
        this.log = home.log(options.log, "broker.log");
        this.port = options.portOrFree();
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
        Path config = home().path().resolve("broker.properties");
        try (Writer writer = Files.newBufferedWriter(config, StandardCharsets.UTF_8)) {
            properties().store(writer, null);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + config, e);
        }
        List<String> command = ChildProcess.java(
                List.of(
                        "-Xms128m",
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        options.shortLived ? "-XX:TieredStopAtLevel=1" : "-XX:+TieredCompilation",
                        "-Djava.awt.headless=true",
                        "-Dlogback.configurationFile=sandbox-logback.xml",
                        "-cp",
                        System.getProperty("java.class.path")),
                List.of(BrokerMain.class.getName(), config.toString()));
        return ChildProcess.start(
                "Kafka", command, Map.of(), variable -> variable.equals("JAVA_TOOL_OPTIONS"), workingDir(), log);
    }

    /** Our own working folder, because the class path may name its parts from there. */
    private static Path workingDir() {
        return Path.of("").toAbsolutePath();
    }

    private Properties properties() {
        int controllerPort = FreePorts.next();
        var properties = new Properties();
        properties.put("process.roles", "broker,controller");
        properties.put("node.id", "1");
        properties.put("controller.quorum.voters", "1@127.0.0.1:" + controllerPort);
        properties.put("controller.listener.names", "CONTROLLER");
        if (options.security.isPresent()) listenSecurely(properties, controllerPort, options.security.get());
        else listenToAnybody(properties, controllerPort);
        properties.put("log.dirs", home().path().resolve("data").toString());

        properties.put("auto.create.topics.enable", "false");
        properties.put("group.initial.rebalance.delay.ms", "0");
        // With group.protocol=streams, brokers decide how soon members are missed and hear of each other: by default
        // after 45 s, 5 s and 1 s, and no less.
        properties.put("group.streams.min.session.timeout.ms", "6000");
        properties.put("group.streams.session.timeout.ms", "10000");
        properties.put("group.streams.min.heartbeat.interval.ms", "100");
        properties.put("group.streams.heartbeat.interval.ms", "300");
        properties.put("group.streams.assignment.interval.ms", "0");
        properties.put("group.streams.initial.rebalance.delay.ms", "0");
        properties.put("default.replication.factor", "1");
        properties.put("offsets.topic.replication.factor", "1");
        properties.put("offsets.topic.num.partitions", "4");
        // A restarted broker is elected twice within a second or two: by its old state, and by the present one. Kafka
        // 4.3.1 serves a group when the first load of its offsets ends, even if the second has read only a part of
        // them. So these topics must be short: small segments, compacted often.
        properties.put("offsets.topic.segment.bytes", "1048576");
        properties.put("log.cleaner.backoff.ms", "5000");
        properties.put("log.cleaner.delete.retention.ms", "60000"); // the marks of transactions as well
        properties.put("transaction.state.log.replication.factor", "1");
        properties.put("transaction.state.log.min.isr", "1");
        properties.put("transaction.state.log.num.partitions", "4");
        properties.put("share.coordinator.state.topic.replication.factor", "1");
        properties.put("share.coordinator.state.topic.min.isr", "1");
        properties.put("share.coordinator.state.topic.num.partitions", "1");
        properties.put("num.network.threads", "2");
        properties.put("num.io.threads", "4");
        properties.put("log.cleaner.dedupe.buffer.size", "16777216"); // 128 MB by default: a quarter of our heap
        // A killed broker can come back only after its former session has timed out (9 s by default).
        properties.put("broker.session.timeout.ms", "3000");
        properties.put("broker.heartbeat.interval.ms", "500");
        properties.putAll(options.properties);
        return properties;
    }

    private void listenToAnybody(Properties properties, int controllerPort) {
        properties.put("listeners", "PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controllerPort);
        properties.put("advertised.listeners", "PLAINTEXT://127.0.0.1:" + port);
        properties.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        properties.put("inter.broker.listener.name", "PLAINTEXT");
    }

    private void listenSecurely(Properties properties, int controllerPort, Security security) {
        var clients = "CLIENT://127.0.0.1:" + port + ",MUTUAL://127.0.0.1:" + mutualPort;
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
        starting.awaitReady(() -> !FreePorts.isFree(port), START_TIMEOUT);
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
        return "127.0.0.1:" + port;
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
