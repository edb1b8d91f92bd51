package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Topics, Redis and state of an older version, under the code of today. Nothing refills, so they may grow old. */
class UpgradeIT {
    /** The tokens each agent spends before the upgrade. */
    private static final Map<String, List<Double>> BEFORE = Map.of(
            "plain", List.of(7.0),
            "limited", List.of(12.0),
            "acme/one", List.of(3.0),
            "shadowed", List.of(4.0, 4.0),
            "free", List.of(1000.0),
            "shared", List.of(2.0),
            "lost", List.of(6.0),
            "greedy", List.of(9.0, 9.0, 9.0));

    /** Decisions after it: agent, cost, verdict, tokens left. */
    private record After(String agent, double cost, String verdict, String remaining) {}

    private static final List<After> AFTER = List.of(
            new After("plain", 4, "rejected quota_exceeded", "3"),
            new After("plain", 3, "approved", "0"),
            new After("limited", 9, "rejected quota_exceeded", "8"),
            new After("limited", 8, "approved", "0"),
            new After("acme/one", 3, "rejected quota_exceeded", "2"),
            new After("acme/two", 5, "approved", "0"),
            new After("shadowed", 4, "approved shadow:quota_exceeded", "1"),
            new After("free", 1000, "approved", "5"),
            // Another program has spent 3 meanwhile.
            new After("shared", 6, "rejected quota_exceeded", "5"),
            // Redis has lost it: its bucket continues from the mirror.
            new After("lost", 5, "rejected quota_exceeded", "4"),
            new After("lost", 4, "approved", "0"),
            new After("greedy", 9, "rejected quota_exceeded", "1"),
            new After("new", 10, "approved", "0"));

    private static final int DECIDED_BEFORE =
            BEFORE.values().stream().mapToInt(List::size).sum() + 2;

    @TempDir
    private Path dir;

    static List<Path> stored() throws IOException {
        try (var files = Files.list(Installation.STORED)) {
            return files.filter(file -> file.toString().endsWith(".zip"))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("stored")
    void continuesWhereItWas(Path zip) {
        upgrade(zip, false);
    }

    @Tag("faults")
    @ParameterizedTest
    @MethodSource("stored")
    void withoutStateTheChangelogTells(Path zip) {
        upgrade(zip, true);
    }

    private void upgrade(Path zip, boolean stateIsLost) {
        try (var installation = Installation.unpacked(zip, dir);
                var requests = new Requests(installation.cluster());
                var decisions = new Decisions(installation.cluster())) {
            var cluster = installation.cluster();
            if (stateIsLost) deleteState();
            assertThat(installation.redis().ask("DEL quota:lost:tokens")).hasValue(":1");
            assertThat(installation.redis().ask("HSET quota:shared:tokens tokens 5"))
                    .hasValue(":0");

            createMissingTopics(cluster);

            try (var application = cluster.start()) {
                long number = 1000;
                for (After after : AFTER) requests.send(after.agent(), after.cost(), number++);
                var all = decisions.await(DECIDED_BEFORE + AFTER.size(), application);

                assertThat(all).as("nothing is decided again").hasSize(DECIDED_BEFORE + AFTER.size());
                for (int i = 0; i < AFTER.size(); i++) {
                    var after = AFTER.get(i);
                    assertThat(decisionOn(all, 1000 + i, after)).as("%s", after).isEqualTo(after);
                }
                terminate(application);
            }
            assertThat(events(cluster))
                    .as("told before, and not again")
                    .filteredOn(event -> event.endsWith(" first_refusal"))
                    .filteredOn(event -> event.startsWith("greedy "))
                    .hasSize(1);
            var verified = cluster.command("verify", "--from-beginning");
            assertThat(verified.exitCode()).as(verified.output()).isZero();
        }
    }

    /** As the changelog says, once the check says what is missing. */
    private static void createMissingTopics(TestCluster cluster) {
        var missing = List.of(
                        cluster.settings().topics().usage(),
                        cluster.settings().topics().settled())
                .stream()
                .map(topic -> "topic " + topic + " does not exist: create it with `tollgate topics create`")
                .toList();
        assertThat(cluster.command("topics", "check").output()).contains(missing);
        cluster.createTopics();
    }

    private static After decisionOn(List<Decisions.Seen> all, long number, After expected) {
        var decision = all.stream()
                .filter(seen -> seen.header("number").equals(Long.toString(number)))
                .findFirst()
                .orElseThrow();
        var verdict = (decision.header("quota-decision") + " " + decision.header("quota-reason")).strip();
        return new After(decision.agent(), decision.costTokens(), verdict, decision.header("quota-remaining"));
    }

    /** Stores an installation of today's code; see {@code streams-app/src/test/compatibility/record}. */
    @Test
    @EnabledIfSystemProperty(named = "compatibility.record", matches = "[0-9].*")
    void record() throws Exception {
        var name = System.getProperty("compatibility.record");
        var installation = Installation.anew(dir);
        var cluster = installation.cluster();
        try (var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            for (var policy : List.of(
                    List.of("limited", "--limit", "burst:20:0", "--limit", "day:30:0"),
                    List.of("acme/*", "--capacity", "5", "--refill-rate", "0"),
                    List.of("shadowed", "--capacity", "5", "--refill-rate", "0", "--mode", "shadow"),
                    List.of("free", "--capacity", "5", "--refill-rate", "0", "--mode", "off"))) {
                var words = new ArrayList<>(List.of("policy", "set"));
                words.addAll(policy);
                assertThat(cluster.command(words.toArray(String[]::new)).exitCode())
                        .isZero();
            }
            try (var application = cluster.start()) {
                long number = 0;
                for (var agent : BEFORE.keySet().stream().sorted().toList()) {
                    for (double cost : BEFORE.get(agent)) requests.send(agent, cost, number++);
                }
                requests.sendByCrc32("stray", 1, number);
                requests.sendUnreadable("broken".getBytes(UTF_8), "{".getBytes(UTF_8));
                decisions.await(DECIDED_BEFORE, application);
                await().atMost(Duration.ofSeconds(30))
                        .until(() -> events(cluster).stream().anyMatch(event -> event.equals("greedy first_refusal")));
                terminate(application);
            }
        }
        installation.store(Installation.STORED.resolve(name + ".zip"));
    }

    private static void terminate(ApplicationProcess application) {
        application.terminate();
        assertThat(application.awaitExit(Duration.ofSeconds(30)))
                .as(application.output())
                .hasValue(0);
    }

    private void deleteState() {
        try (var files = Files.walk(dir.resolve("state"))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns all events, as agent and kind. */
    private static List<String> events(TestCluster cluster) {
        var topic = "quota-events";
        try (var consumer = new KafkaConsumer<>(
                Map.<String, Object>of(
                        "bootstrap.servers", cluster.settings().kafka().bootstrapServers(),
                        "isolation.level", "read_committed",
                        "auto.offset.reset", "earliest"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            var partitions = IntStream.range(0, consumer.partitionsFor(topic).size())
                    .mapToObj(partition -> new TopicPartition(topic, partition))
                    .toList();
            consumer.assign(partitions);
            var ends = consumer.endOffsets(partitions);
            var events = new ArrayList<String>();
            await().atMost(Duration.ofSeconds(30)).until(() -> {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> {
                    var event = Decisions.json(record.value());
                    events.add(event.get("agent_id").textValue() + " "
                            + event.get("event").textValue());
                });
                return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
            });
            return events;
        }
    }
}
