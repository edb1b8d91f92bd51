package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.sandbox.process.FreePorts;
import io.tollgate.sandbox.process.KafkaBroker;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The command as users run it: exit codes and output; never a stack trace for a user's mistake. */
@Order(1) // long, and one after the other
class CommandLineIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--help",
                "run --help",
                "topics --help",
                "topics create --help",
                "topics check --help",
                "load --help",
                "policy --help",
                "policy set --help",
                "policy load --help",
                "verify --help",
                "doctor --help",
                "version --help",
                "completion --help",
                "help",
                "help policy set",
                "policy help set",
                "run help",
                "topics create help"
            })
    void helpIsPrintedWithExit0(String arguments) {
        var ended = run(TestCluster.on("127.0.0.1:1"), arguments);

        assertThat(ended.exitCode()).as(ended.output()).isZero();
        var name = ("tollgate " + arguments.replace("--help", "").replace("help", ""))
                .strip()
                .replace("  ", " ");
        assertThat(ended.output()).startsWith("Usage: " + name + " ");
    }

    @Test
    void versionIsTheJars() {
        for (String arguments : new String[] {"version", "--version", "run version"}) {
            var ended = runAlone(TestCluster.on("127.0.0.1:1"), arguments);

            assertThat(ended.exitCode()).isZero();
            assertThat(ended.output())
                    .containsPattern("tollgate \\d+\\.\\d+\\.\\d+")
                    .contains("Java ");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'' | a command is missing: bucket, ",
                "fly | unknown command fly",
                "sandbx | unknown command sandbx; did you mean sandbox?",
                "run --fast | unknown option --fast",
                "run fast | unexpected argument: fast",
                "topics | a command is missing: check, create",
                "completion fish | must be bash or zsh",
                "help policy fly | unknown command fly",
                "topics create --partitions 0 | --partitions must be from 1 to 10000, but is 0",
                "topics create --partitions many | many",
                "load --records 0 | --records must be at least 1, but is 0",
                "load --rate -1 | --rate must be from 0 (no limit) to 1e7, but is -1.0",
                "load --cost NaN | --cost must be from 0 to 1e12, but is NaN",
                "verify --wait -1 | --wait must be whole seconds from 0",
            })
    void wrongUsageExitsWith2(String arguments, String said) {
        var ended = run(TestCluster.on("127.0.0.1:1"), arguments);

        assertThat(ended.exitCode()).as(ended.output()).isEqualTo(2);
        assertThat(ended.output())
                .startsWith("tollgate: ")
                .contains(said, "\ntry: tollgate ")
                .hasLineCount(2)
                .doesNotContain("\tat ", "Exception");
    }

    @Test
    void wrongSettingsExitWith2() {
        for (String arguments : new String[] {"topics check", "load --records 1", "verify"}) {
            var ended = run(TestCluster.on("nowhere").with("TOLLGATE_NO", "1"), arguments);

            assertThat(ended.exitCode()).as(ended.output()).isEqualTo(2);
            assertThat(ended.output())
                    .contains("KAFKA_BOOTSTRAP_SERVERS must be host:port", "TOLLGATE_NO is not a variable")
                    .doesNotContain("\tat ");
        }
    }

    @Test
    void topicsAreCreatedAndChecked() {
        var cluster = TestCluster.on(TestCluster.sharedBroker());
        var topics = cluster.settings().topics();

        var missing = run(cluster, "topics check");
        assertThat(missing.exitCode()).isEqualTo(1);
        assertThat(missing.output())
                .contains("topic " + topics.requests() + " does not exist")
                .doesNotContain("\tat ");

        var load = run(cluster, "load --records 5");
        assertThat(load.exitCode()).as(load.output()).isEqualTo(1);
        assertThat(load.output()).doesNotContain("\tat ");

        var created = run(cluster, "topics create --partitions " + TestCluster.PARTITIONS);
        assertThat(created.exitCode()).isZero();
        assertThat(created.output()).contains("created  " + topics.requests(), "created  " + topics.policies());

        var again = run(cluster, "topics create");
        assertThat(again.exitCode()).isZero();
        assertThat(again.output()).contains("exists   " + topics.requests());

        var check = run(cluster, "topics check");
        assertThat(check.exitCode()).as(check.output()).isZero();
        assertThat(check.output()).contains("the topics are as they should be");
    }

    @Test
    void uncompactedPoliciesAreAFinding() throws Exception {
        var cluster = TestCluster.on(TestCluster.sharedBroker());
        var topics = cluster.settings().topics();
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", TestCluster.sharedBroker()))) {
            admin.createTopics(java.util.List.of(new NewTopic(topics.policies(), 1, (short) 1)))
                    .all()
                    .get();
        }
        cluster.createTopics();

        var check = run(cluster, "topics check");

        assertThat(check.exitCode()).isEqualTo(1);
        assertThat(check.output()).contains("topic " + topics.policies() + " must be compacted");
    }

    @Test
    void loadShowsProgressAndCounts() {
        var cluster = TestCluster.onSharedBroker();

        var ended = run(cluster, "load --records 2500 --agents 20 --skew 1 --cost 2 --rate 5000");

        assertThat(ended.exitCode()).as(ended.output()).isZero();
        assertThat(ended.output().lines())
                .as("no progress bar where there is no terminal")
                .allMatch(line -> line.matches("publish(ed 2500 requests of 20 agents|ing: \\d+ of 2500) .*"))
                .anyMatch(line -> line.startsWith("published"));
        assertThat(countRequests(cluster)).isEqualTo(2500);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "topics check",
                "topics create",
                "load --records 1",
                "policy list",
                "policy export",
                "policy set a --capacity 1 --refill-rate 1",
                "verify",
            })
    void missingBrokerIsNamedAtOnce(String arguments) {
        assertSaidAtOnce(() -> run(TestCluster.on("127.0.0.1:1"), arguments));
    }

    @Test
    void missingBrokerIsNamedSoonAfterStart() {
        assertSaidAtOnce(() -> runAlone(TestCluster.on("127.0.0.1:1"), "policy list"));
    }

    private static void assertSaidAtOnce(Supplier<Ended> command) {
        long start = System.nanoTime();
        var ended = command.get();

        assertThat(ended)
                .isEqualTo(new Ended(
                        1,
                        "Kafka does not answer at 127.0.0.1:1: check --bootstrap-server or KAFKA_BOOTSTRAP_SERVERS, and"
                                + " that TLS settings match the listener\n"));
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
    }

    @ParameterizedTest
    @ValueSource(strings = {"topics check", "policy list", "verify"})
    void silentBrokerIsNamedInTime(String arguments) throws IOException {
        try (var silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            var address = "127.0.0.1:" + silent.getLocalPort();
            long start = System.nanoTime();
            var ended = run(TestCluster.on("127.0.0.1:1"), arguments + " --bootstrap-server " + address);

            assertThat(ended.exitCode()).isEqualTo(1);
            assertThat(ended.output())
                    .startsWith("Kafka does not answer at " + address + ": ")
                    .hasLineCount(1);
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(6));
        }
    }

    /** As brokers in containers often do. */
    @Test
    void missingAdvertisedAddressIsNamed() {
        int inner = FreePorts.next();
        int outer = FreePorts.next();
        int controller = FreePorts.next();
        var options = KafkaBroker.BrokerOptions.defaults()
                .withPort(inner)
                .withProperty(
                        "listeners",
                        "PLAINTEXT://127.0.0.1:" + inner + ",OUTER://127.0.0.1:" + outer + ",CONTROLLER://127.0.0.1:"
                                + controller)
                .withProperty("advertised.listeners", "PLAINTEXT://127.0.0.1:" + inner + ",OUTER://kafka.invalid:9092")
                .withProperty(
                        "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,OUTER:PLAINTEXT,CONTROLLER:PLAINTEXT")
                .withProperty("controller.quorum.voters", "1@127.0.0.1:" + controller);
        try (var broker = KafkaBroker.start(options)) {
            var reached = run(TestCluster.on(broker.bootstrapServers()), "policy list");
            long start = System.nanoTime();
            var away = run(TestCluster.on("127.0.0.1:" + outer), "policy list");

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
            assertThat(reached.output()).doesNotContain("advertise");
            assertThat(away)
                    .isEqualTo(new Ended(
                            1,
                            "Kafka answers at 127.0.0.1:" + outer + ", but its brokers advertise kafka.invalid:9092,"
                                    + " which cannot be reached from here: set their advertised.listeners to addresses"
                                    + " that this machine can reach\n"));
        }
    }

    @Test
    void silentBrokersHideNoGoodOne() throws IOException {
        var silent = new ArrayList<ServerSocket>();
        try {
            for (int i = 0; i < 6; i++) silent.add(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()));
            var servers = silent.stream()
                            .map(socket -> "127.0.0.1:" + socket.getLocalPort())
                            .collect(Collectors.joining(","))
                    + ",127.0.0.1:1," + TestCluster.sharedBroker();

            var ended = run(TestCluster.onSharedBroker(), "policy list --bootstrap-server " + servers);

            assertThat(ended).isEqualTo(new Ended(0, "there are no policies; the default applies to everybody\n"));
        } finally {
            for (var socket : silent) socket.close();
        }
    }

    @Test
    void optionsBeforeFileBeforeEnvironment(@TempDir Path dir) throws IOException {
        var broker = TestCluster.sharedBroker();
        var right = Files.writeString(dir.resolve("right.properties"), "KAFKA_BOOTSTRAP_SERVERS=" + broker + "\n");
        var wrong = Files.writeString(
                dir.resolve("wrong.properties"), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1\nTOLLGATE_NO=1\n");
        var away = Files.writeString(dir.resolve("away.properties"), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:2\n");

        for (String command : new String[] {"policy list", "topics check", "load --records 1", "verify"}) {
            assertThat(run(TestCluster.onSharedBroker(), "127.0.0.1:1", command + " --config " + right))
                    .as(command)
                    .extracting(Ended::exitCode)
                    .isEqualTo(0);
            var before = run(
                    TestCluster.onSharedBroker(),
                    "127.0.0.1:1",
                    command + " --config " + away + " --bootstrap-server " + broker);
            assertThat(before.exitCode()).as(before.output()).isZero();
        }
        assertThat(run(TestCluster.on(broker), "policy list --config " + away).output())
                .startsWith("Kafka does not answer at 127.0.0.1:2");
        var mistakes = run(TestCluster.on(broker), "policy list --config " + wrong + " --bootstrap-server nowhere");
        assertThat(mistakes.exitCode()).isEqualTo(2);
        assertThat(mistakes.output())
                .contains("KAFKA_BOOTSTRAP_SERVERS must be", "TOLLGATE_NO")
                .hasLineCount(2);
        assertThat(run(TestCluster.on(broker), "run --config " + dir.resolve("none"))
                        .exitCode())
                .isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"@missing", " a ", "-x", "--json", "${user.name}", "'a'", "\"a\"", "a=b"})
    void idsAreTakenAsTyped(String agentId) {
        try (var cluster = TestCluster.onSharedBroker()) {
            var ended = cluster.command("policy", "set", "--capacity", "5", "--refill-rate", "1", "--", agentId);

            assertThat(ended).isEqualTo(new Ended(0, agentId + "@0/0: 5 at once, 1/s, enforce\n"));
        }
    }

    @Test
    void idIsNeverAFileName(@TempDir Path dir) throws IOException {
        Files.writeString(dir.resolve("ops"), "agent-1\n");
        try (var cluster = TestCluster.onSharedBroker();
                var application =
                        cluster.launchIn(dir, "policy", "set", "--capacity", "5", "--refill-rate", "1", "@ops")) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(0);
            assertThat(application.output()).isEqualTo("@ops@0/0: 5 at once, 1/s, enforce\n");
        }
    }

    private static long countRequests(TestCluster cluster) {
        try (var consumer = new KafkaConsumer<>(
                Map.<String, Object>of("bootstrap.servers", TestCluster.sharedBroker()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(cluster.requestsTopic()).stream()
                    .map(info -> new TopicPartition(info.topic(), info.partition()))
                    .toList();
            return consumer.endOffsets(partitions).values().stream()
                    .mapToLong(Long::longValue)
                    .sum();
        }
    }

    /** Runs it with an environment that names another address than that of the topics. */
    private static Ended run(TestCluster cluster, String address, String arguments) {
        return run(cluster.with("KAFKA_BOOTSTRAP_SERVERS", address), arguments);
    }

    private static Ended run(TestCluster cluster, String arguments) {
        try (cluster) {
            return cluster.command(arguments.isEmpty() ? new String[0] : arguments.split(" "));
        }
    }

    /** In a JVM of its own, as users do: the start of the JVM is part of the time. */
    private static Ended runAlone(TestCluster cluster, String arguments) {
        try (cluster;
                var application = cluster.launch(arguments.split(" "))) {
            int exitCode = application
                    .awaitExit(SOON)
                    .orElseThrow(() -> new AssertionError(arguments + " does not end: " + application.output()));
            return new Ended(exitCode, application.output());
        }
    }
}
