package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;

/** A policies topic that has not been read yet, has too many partitions, or was recreated. */
@Order(2) // rather long, and one after the other
class PolicyTopicIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    /** Longer than decisions ever waited for policies that were not read. */
    private static final Duration LONG = Duration.ofSeconds(12);

    @Test
    void decidesOnlyAfterReadingAll() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(1000, 0);
                var writing = cluster.producer(Map.of("transactional.id", cluster.requestsTopic()));
                var producer = cluster.producer(Map.of())) {
            writing.initTransactions();
            writing.beginTransaction();
            writing.send(policy(cluster, "other", 1)).get();
            producer.send(policy(cluster, "agent", 7)).get(); // behind what is not committed yet

            try (var application = cluster.launch("run");
                    var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster)) {
                requests.send("agent", 900, 1);
                await().atMost(SOON)
                        .ignoreExceptions() // it does not serve yet
                        .untilAsserted(() -> assertThat(ready(application))
                                .contains("not ready: waits for policies: ", " of 2 records of ", " are read"));
                await().during(LONG)
                        .atMost(LONG.multipliedBy(2))
                        .until(() -> decisions.poll().isEmpty());
                assertThat(application.output()).contains("nothing is decided before the policies are read");

                writing.commitTransaction();

                assertThat(decisions.await(1, application)).singleElement().satisfies(seen -> {
                    assertThat(seen.approved()).isFalse();
                    assertThat(seen.header("quota-policy")).isEqualTo("agent@0/1");
                });
                assertThat(ready(application)).isEqualTo("ready\n");
            }
        }
    }

    @Test
    void severalPartitionsAreRefused() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            try (var application = cluster.start()) {
                grow(cluster, admin);

                assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
                assertThat(application.output())
                        .contains("the pipeline has failed and ends: topic "
                                + cluster.settings().topics().policies()
                                + " has 4 partitions, but must have exactly 1")
                        .doesNotContain("\tat ");
            }
            try (var again = cluster.launch("run")) {
                assertThat(again.awaitExit(SOON)).as(again.output()).hasValue(1);
                assertThat(again.output())
                        .contains("has 4 partitions, but must have exactly 1")
                        .doesNotContain("\tat ");
            }
            refusesEachCommand(cluster);
        }
    }

    private static void refusesEachCommand(TestCluster cluster) throws Exception {
        var file = Files.createTempFile("policies", ".yaml");
        Files.writeString(file, "agent: {capacity: 1, refill_rate: 1}\n");
        var refused = cluster.settings().topics().policies() + " has 4 partitions, but must have exactly 1";
        for (var arguments : List.of(
                List.of("policy", "set", "agent", "--capacity", "1", "--refill-rate", "1"),
                List.of("policy", "get", "agent"),
                List.of("policy", "list"),
                List.of("policy", "list", "--json"),
                List.of("policy", "delete", "agent"),
                List.of("policy", "load", file.toString()),
                List.of("policy", "load", "--dry-run", file.toString()),
                List.of("policy", "history", "agent"),
                List.of("topics", "check"),
                List.of("verify"))) {
            var ended = cluster.command(arguments.toArray(String[]::new));
            assertThat(ended.exitCode()).as("%s: %s", arguments, ended.output()).isEqualTo(1);
            assertThat(ended.output().lines().filter(line -> line.contains(refused)))
                    .as("%s: %s", arguments, ended.output())
                    .hasSize(1);
        }
        Files.delete(file);
    }

    /** The policies can be saved: for a key that has moved, its latest record. */
    @Test
    void severalPartitionsAreExported() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster);
                var producer = cluster.producer(Map.of())) {
            grow(cluster, admin);
            for (int n = 0; n < 8; n++) {
                var before = new ProducerRecord<>(policiesTopic(cluster), 3, 1000L, utf8("agent-" + n), json(1));
                var after = new ProducerRecord<>(policiesTopic(cluster), n % 3, 2000L, utf8("agent-" + n), json(2 + n));
                send(producer, before);
                send(producer, after);
            }
            send(producer, new ProducerRecord<>(policiesTopic(cluster), 0, 1000L, utf8("gone"), json(1)));
            send(producer, new ProducerRecord<byte[], byte[]>(policiesTopic(cluster), 1, 2000L, utf8("gone"), (byte[])
                    null));

            var exported = cluster.command("policy", "export");

            assertThat(exported.exitCode()).isEqualTo(1);
            assertThat(exported.output()).contains("has 4 partitions, but must have exactly 1");
            for (int n = 0; n < 8; n++)
                assertThat(exported.output()).contains("\"agent-" + n + "\":\n  capacity: " + (2 + n) + "\n");
            assertThat(exported.output()).doesNotContain("capacity: 1\n", "gone");
        }
    }

    @Test
    void anotherTopicReplacesThem() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(1000, 0);
                var admin = admin(cluster);
                var producer = cluster.producer(Map.of())) {
            for (int n = 0; n < 5; n++)
                producer.send(policy(cluster, "filler-" + n, 1)).get();
            producer.send(policy(cluster, "kept", 5)).get();
            producer.send(policy(cluster, "gone", 5)).get();
            try (var application = cluster.start();
                    var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster)) {
                recreate(cluster, admin);
                send(producer, policy(cluster, "kept", 50));

                await().atMost(SOON)
                        .until(() -> application.output().contains("its policies replace the earlier ones"));
                await().atMost(SOON).until(() -> {
                    requests.send("kept", 20, 1);
                    return decisions.poll().stream()
                            .anyMatch(seen -> seen.header("quota-policy").equals("kept@0/0") && seen.approved());
                });
                await().atMost(SOON).until(() -> {
                    requests.send("gone", 20, 1);
                    return decisions.poll().stream()
                            .anyMatch(seen -> "gone".equals(seen.agent())
                                    && seen.header("quota-policy").equals("default"));
                });
                assertThat(application.isReady()).isTrue();
            }
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) {
        await().atMost(SOON)
                .ignoreExceptions()
                .until(() -> producer.send(record).get() != null);
    }

    private static void recreate(TestCluster cluster, Admin admin) throws Exception {
        var topic = cluster.settings().topics().policies();
        admin.deleteTopics(List.of(topic)).all().get();
        await().atMost(SOON).until(() -> !admin.listTopics().names().get().contains(topic));
        cluster.createTopics();
    }

    private static void grow(TestCluster cluster, Admin admin) throws Exception {
        admin.createPartitions(Map.of(cluster.settings().topics().policies(), NewPartitions.increaseTo(4)))
                .all()
                .get();
    }

    private static ProducerRecord<byte[], byte[]> policy(TestCluster cluster, String agent, int capacity) {
        return new ProducerRecord<>(policiesTopic(cluster), utf8(agent), json(capacity));
    }

    private static String policiesTopic(TestCluster cluster) {
        return cluster.settings().topics().policies();
    }

    private static byte[] json(int capacity) {
        return utf8("{\"capacity\":" + capacity + ",\"refill_rate\":0}");
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }

    private static Admin admin(TestCluster cluster) {
        return Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()));
    }

    private static String ready(ApplicationProcess application) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(application.http().resolve("/health/ready"))
                .build();
        return HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofString())
                .body();
    }
}
