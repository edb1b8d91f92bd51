package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.cli.TopicAdmin;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.preflight.Finding;
import io.tollgate.sandbox.process.KafkaBroker;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Topics made by others, and brokers with rules of their own. */
@Order(2) // rather long, and one after the other
class ForeignTopicsIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    /** Kafka's own default for max.message.bytes. */
    private static final int DEFAULT_BYTES = 1_048_588;

    @Test
    void defaultSizesAreEnough() throws Exception {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker()).withLimit(1000, 0);
                var admin = admin(cluster)) {
            createByDefault(cluster, admin);
            try (var application = cluster.start();
                    var decisions = new Decisions(cluster)) {
                send(cluster, request("fits", 1, 900_000));
                send(cluster, request("refused", 5000, 900_000));
                send(cluster, request("refused-small", 5000, 100));
                send(cluster, request("large", 1, DEFAULT_BYTES - 1000));
                send(cluster, request("bulky", 1, 3 * DEFAULT_BYTES)); // compressed, it passes
                decisions.await(5, application);

                var byVerdict = decisions.poll().stream()
                        .collect(Collectors.groupingBy(
                                seen -> seen.approved() ? "approved" : seen.header("quota-reason"),
                                TreeMap::new,
                                Collectors.counting()));
                assertThat(byVerdict)
                        .isEqualTo(Map.of("approved", 1L, "cost_exceeds_capacity", 2L, "invalid_request", 2L));
                assertThat(decisions.poll())
                        .filteredOn(seen -> seen.header("quota-reason").equals("invalid_request"))
                        .allSatisfy(seen -> {
                            var json = Decisions.json(seen.record().value());
                            assertThat(json.get("detail").textValue()).contains("too_large");
                            assertThat(json.get("request_sha256").textValue()).hasSize(64);
                        });
                assertThat(application.output())
                        .contains("topic " + cluster.settings().topics().approved() + " has max.message.bytes="
                                + DEFAULT_BYTES)
                        .contains("set max.message.bytes to at least")
                        .doesNotContain("\tat ");
            }
        }
    }

    @Test
    void tinyTopicsLoseNothing() throws Exception {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker()).withLimit(1000, 0);
                var admin = admin(cluster)) {
            createByDefault(cluster, admin);
            set(admin, cluster.settings().topics().approved(), "max.message.bytes", "20000");
            set(admin, cluster.settings().topics().rejected(), "max.message.bytes", "20000");
            try (var application = cluster.start();
                    var decisions = new Decisions(cluster)) {
                for (int bytes = 100; bytes < 30_000; bytes += 500) {
                    send(cluster, request("agent-" + bytes, bytes % 1000 == 100 ? 1 : 5000, bytes));
                    send(cluster, "x".repeat(bytes).getBytes(UTF_8));
                }
                assertThat(decisions.await(120, application)).hasSize(120);
                assertThat(application.output()).doesNotContain("\tat ");
            }
        }
    }

    @Tag("faults")
    @Test
    void loweredSizesStopNothing() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(1000, 0);
                var admin = admin(cluster);
                var application = cluster.start();
                var decisions = new Decisions(cluster)) {
            send(cluster, incompressible("before"));
            decisions.await(1, application);
            set(admin, cluster.settings().topics().approved(), "max.message.bytes", "20000");

            try (var producer = cluster.producer(Map.of())) {
                for (int partition = 0;
                        partition < TestCluster.PARTITIONS;
                        partition++) { // on all but one, it is a stray
                    producer.send(
                            new ProducerRecord<>(cluster.requestsTopic(), partition, null, incompressible("after")));
                }
            }
            send(cluster, request("small", 1, 100));

            assertThat(decisions.await(2 + TestCluster.PARTITIONS, application))
                    .filteredOn(seen -> !seen.approved())
                    .hasSize(TestCluster.PARTITIONS)
                    .allSatisfy(seen -> assertThat(Decisions.json(seen.record().value())
                                    .get("detail")
                                    .textValue())
                            .contains("too_large"));
            assertThat(application.output()).contains("topics accept smaller records than before");
            assertThat(application.isReady()).isTrue();
        }
    }

    @Test
    void wrongSettingsReachNoBroker() {
        try (var cluster = TestCluster.on("127.0.0.1:1")
                        .with("KAFKA_TOPIC_RETENTION_MS", "a_week")
                        .with("KAFKA_TOPIC_SEGMENT_BYTES", "1");
                var refused = cluster.launch("run")) {
            assertThat(refused.awaitExit(SOON)).as(refused.output()).hasValue(2);
            assertThat(refused.output())
                    .contains("KAFKA_TOPIC_RETENTION_MS must be -1", "KAFKA_TOPIC_SEGMENT_BYTES must be", "\"a_week\"")
                    .doesNotContain("\tat ", "127.0.0.1:1");
        }
    }

    private static byte[] incompressible(String agent) {
        var noise = new byte[30_000];
        new java.util.Random(7).nextBytes(noise);
        return ("{\"agent_id\":\"" + agent + "\",\"payload\":\""
                        + java.util.Base64.getEncoder().encodeToString(noise) + "\"}")
                .getBytes(UTF_8);
    }

    @Test
    void internalTopicsAreTriedFirst() {
        try (var cluster = TestCluster.onSharedBroker().with("KAFKA_REPLICATION_FACTOR", "3")) {
            var found = brokers(cluster);

            assertThat(found)
                    .filteredOn(Finding::fatal)
                    .isNotEmpty()
                    .allSatisfy(finding -> assertThat(finding.text())
                            .contains("cannot be created", "KAFKA_REPLICATION_FACTOR")
                            .doesNotContain("\n", "Exception"));
        }
    }

    @Test
    void cappedBrokersGetSmallerTopics() throws Exception {
        var options = KafkaBroker.BrokerOptions.defaults()
                .withProperty("create.topic.policy.class.name", CappedTopics.class.getName());
        try (var broker = KafkaBroker.start(options);
                var cluster = TestCluster.on(broker.bootstrapServers()).withLimit(1000, 0)) {
            cluster.createTopics();
            try (var refused = cluster.launch("run")) {
                assertThat(refused.awaitExit(SOON)).as(refused.output()).hasValue(1);
                assertThat(refused.output())
                        .contains("cannot be created (max.message.bytes must be at most " + CappedTopics.MOST_BYTES)
                        .contains("set KAFKA_TOPIC_MAX_MESSAGE_BYTES to what the brokers allow")
                        .doesNotContain("\tat ");
            }

            cluster.with("KAFKA_TOPIC_MAX_MESSAGE_BYTES", Integer.toString(CappedTopics.MOST_BYTES));
            try (var application = cluster.start();
                    var decisions = new Decisions(cluster)) {
                send(cluster, request("agent", 1, 1000));
                assertThat(decisions.await(1, application)).allMatch(Decisions.Seen::approved);
            }
        }
    }

    @Test
    void internalTopicsMatchStreams() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            var expected = new TreeMap<String, Map<String, String>>();
            var topics = RequestTopology.topics(cluster.settings());
            for (String topic : topics.internal()) {
                expected.put(
                        topic,
                        topics.asStreamsMakesIt(topic, TestCluster.PARTITIONS).configs());
            }

            try (var application = cluster.start()) {
                assertThat(application.isReady()).isTrue();
            }

            var id = cluster.settings().streams().applicationId();
            var made = admin.listTopics().names().get().stream()
                    .filter(topic -> topic.startsWith(id + "-")
                            && !List.of("requests", "approved", "rejected", "quotas")
                                    .contains(topic.substring(id.length() + 1)))
                    .collect(Collectors.toSet());
            assertThat(expected.keySet()).isEqualTo(made);
            for (String topic : made) {
                var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                var configs = admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
                        .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
                        .collect(Collectors.toMap(ConfigEntry::name, ConfigEntry::value));
                assertThat(configs).as(topic).isEqualTo(expected.get(topic));
            }
        }
    }

    private static void createByDefault(TestCluster cluster, Admin admin) throws Exception {
        var topics = cluster.settings().topics();
        var four = Optional.of(TestCluster.PARTITIONS);
        var none = Optional.<Short>empty();
        admin.createTopics(List.of(
                        new NewTopic(topics.requests(), four, none),
                        new NewTopic(topics.approved(), four, none),
                        new NewTopic(topics.rejected(), four, none),
                        new NewTopic(topics.policies(), Optional.of(1), none)
                                .configs(Map.of("cleanup.policy", "compact"))))
                .all()
                .get();
        cluster.createTopics(); // what is missing
    }

    private static void set(Admin admin, String topic, String name, String value) throws Exception {
        var op = new org.apache.kafka.clients.admin.AlterConfigOp(
                new ConfigEntry(name, value), org.apache.kafka.clients.admin.AlterConfigOp.OpType.SET);
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
        await().atMost(SOON)
                .until(() -> admin.describeConfigs(List.of(resource))
                        .all()
                        .get()
                        .get(resource)
                        .get(name)
                        .value()
                        .equals(value));
    }

    private static byte[] request(String agent, int tokens, int bytes) {
        var begin = "{\"agent_id\":\"" + agent + "\",\"tokens\":" + tokens + ",\"payload\":\"";
        return (begin + "x".repeat(Math.max(0, bytes - begin.length() - 2)) + "\"}").getBytes(UTF_8);
    }

    private static void send(TestCluster cluster, byte[] value) throws Exception {
        var large = Map.<String, Object>of("max.request.size", 16 * DEFAULT_BYTES, "compression.type", "gzip");
        try (var producer = cluster.producer(large)) {
            producer.send(new ProducerRecord<>(cluster.requestsTopic(), value)).get();
        }
    }

    private static List<Finding> brokers(TestCluster cluster) {
        try (var topics = new TopicAdmin(cluster.settings())) {
            return RequestTopology.preflight(cluster.settings()).brokers(topics.admin());
        }
    }

    private static Admin admin(TestCluster cluster) {
        return Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()));
    }
}
