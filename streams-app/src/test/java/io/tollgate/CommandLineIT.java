package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The command as a user runs it: exit codes and what is printed; never a stack trace for a mistake of the user's. */
class CommandLineIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    private record Ended(int exitCode, String output) {}

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
                "version --help"
            })
    void givenHelp_whenAsked_thenUsageAndExit0(String arguments) {
        var ended = run(TestCluster.on("127.0.0.1:1"), arguments);

        assertThat(ended.exitCode()).as(ended.output()).isZero();
        assertThat(ended.output())
                .contains(
                        "Usage: tollgate" + (arguments.equals("--help") ? "" : " " + arguments.replace(" --help", "")));
    }

    @Test
    void givenVersion_whenAsked_thenItIsTheJars() {
        for (String arguments : new String[] {"version", "--version"}) {
            var ended = run(TestCluster.on("127.0.0.1:1"), arguments);

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
                "'' | a command is missing",
                "fly | fly",
                "run --fast | --fast",
                "topics | create or check?",
                "topics create --partitions 0 | --partitions must be from 1 to 10000, but is 0",
                "topics create --partitions many | many",
                "load --records 0 | --records must be at least 1, but is 0",
                "load --rate -1 | --rate must be from 0 (no limit) to 1e7, but is -1.0",
                "load --cost NaN | --cost must be from 0 to 1e12, but is NaN",
                "verify --wait -1 | --wait must be whole seconds from 0",
            })
    void givenWrongUsage_whenRun_thenItIsSaidWithExit2(String arguments, String said) {
        var ended = run(TestCluster.on("127.0.0.1:1"), arguments);

        assertThat(ended.exitCode()).as(ended.output()).isEqualTo(2);
        assertThat(ended.output()).contains(said).doesNotContain("\tat ", "Exception");
    }

    @Test
    void givenWrongSettings_whenAToolRuns_thenTheyAreSaidWithExit2() {
        for (String arguments : new String[] {"topics check", "load --records 1", "verify"}) {
            var ended = run(TestCluster.on("nowhere").with("TOLLGATE_NO", "1"), arguments);

            assertThat(ended.exitCode()).as(ended.output()).isEqualTo(2);
            assertThat(ended.output())
                    .contains("KAFKA_BOOTSTRAP_SERVERS must be host:port", "TOLLGATE_NO is not a variable")
                    .doesNotContain("\tat ");
        }
    }

    @Test
    void givenNoTopics_whenCreatedAndChecked_thenTheCommandsSaySo() {
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
    void givenPoliciesTopicThatIsNotCompacted_whenChecked_thenItIsAFinding() throws Exception {
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
    void givenLoad_whenPublished_thenProgressIsShownAndTheCountArrives() {
        var cluster = TestCluster.onSharedBroker();

        var ended = run(cluster, "load --records 2500 --agents 20 --skew 1 --cost 2 --rate 5000");

        assertThat(ended.exitCode()).as(ended.output()).isZero();
        assertThat(ended.output()).contains("publishing", "2500/2500", "published 2500 requests of 20 agents");
        assertThat(countRequests(cluster)).isEqualTo(2500);
    }

    @Test
    void givenBrokerThatIsAway_whenAToolRuns_thenOneLineSaysWhatToCheck() {
        var ended = run(
                TestCluster.on("127.0.0.1:1")
                        .with("KAFKA_ADMIN_DEFAULT_API_TIMEOUT_MS", "2000")
                        .with("KAFKA_ADMIN_REQUEST_TIMEOUT_MS", "1000"),
                "topics check");

        assertThat(ended.exitCode()).as(ended.output()).isEqualTo(1);
        assertThat(ended.output())
                .contains("Kafka does not answer: check KAFKA_BOOTSTRAP_SERVERS")
                .doesNotContain("\tat ");
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

    private static Ended run(TestCluster cluster, String arguments) {
        try (cluster;
                var application = cluster.launch(arguments.isEmpty() ? new String[0] : arguments.split(" "))) {
            int exitCode = application
                    .awaitExit(SOON)
                    .orElseThrow(() -> new AssertionError(arguments + " does not end: " + application.output()));
            return new Ended(exitCode, application.output());
        }
    }
}
