package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisClient;
import io.tollgate.cli.TopicAdmin;
import io.tollgate.config.Settings;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.preflight.Finding;
import io.tollgate.sandbox.process.FreePorts;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.Rights;
import io.tollgate.sandbox.process.Security;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Each problem around the pipeline is one line, with a real broker and a real Redis. */
@Order(1) // long, and one after the other
class PreflightIT {
    private static final Duration SOON = Duration.ofSeconds(30);

    private static RedisServer redis;

    @BeforeAll
    static void start() {
        redis = RedisServer.start();
    }

    @AfterAll
    static void stop() {
        redis.close();
    }

    @Test
    void goodClusterHasNoFinding() {
        try (var cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri())) {
            var preflight = RequestTopology.preflight(cluster.settings());

            assertThat(preflight.listeners()).isEmpty();
            assertThat(brokers(cluster)).isEmpty();
            assertThat(preflight.redis()).isEmpty();
            assertThat(preflight.stateFolder()).isEmpty();
        }
    }

    @Test
    void plainListenerHasNoComplaint() {
        try (var broker = KafkaBroker.start();
                var cluster = TestCluster.on(broker.bootstrapServers())) {
            var before = broker.output();

            assertThat(RequestTopology.preflight(cluster.settings()).listeners())
                    .isEmpty();

            assertThat(broker.output()).isEqualTo(before);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "requests  | cleanup.policy=compact  | must not be compacted, or all records of an agent but the last are lost",
                "approved  | cleanup.policy=compact  | must not be compacted",
                "rejected  | cleanup.policy=compact,delete | must not be compacted",
                "quotas    | cleanup.policy=delete   | must be compacted and nothing else, or policies are lost",
                "quotas    | cleanup.policy=compact,delete | must be compacted and nothing else",
                "approved  | message.timestamp.after.max.ms=3600000 | too little for timestamps that",
                "changelog | cleanup.policy=delete   | must be compacted and nothing else, or the local state is lost",
                "told      | cleanup.policy=delete   | must be compacted and nothing else, or the local state is lost",
                "rekeyed   | cleanup.policy=compact  | must not be compacted",
                "approved  | max.message.bytes=8000  | too little for what Tollgate writes: set max.message.bytes to at least 16384",
                "rejected  | max.message.bytes=500   | too little for what Tollgate writes",
                "changelog | max.message.bytes=2000  | too little for what Tollgate writes"
            })
    void wrongTopicSettingHasARemedy(String topic, String setting, String said) throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            createInternal(cluster, admin, TestCluster.PARTITIONS);
            var name = name(cluster, topic);
            var parts = setting.split("=");
            var op = new AlterConfigOp(new ConfigEntry(parts[0], parts[1]), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, name), List.of(op)))
                    .all()
                    .get();

            // The broker learns settings a moment after they are written.
            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster)).anySatisfy(finding -> {
                        assertThat(finding.fatal()).isTrue();
                        assertThat(finding.text())
                                .contains("topic ")
                                .contains(said)
                                .doesNotContain("\n");
                    }));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "approved  | max.message.bytes=1048588 | are invalid (too_large); set max.message.bytes to at least",
                "rejected  | max.message.bytes=1048588 | are invalid (too_large); set max.message.bytes to at least",
                "requests  | max.message.bytes=3000000 | are invalid (too_large); set max.message.bytes to at least 30",
                "rekeyed   | max.message.bytes=1048588 | are invalid (too_large); set max.message.bytes to at least",
                "rekeyed   | retention.ms=604800000    | so that strays with an old timestamp may be deleted",
                "quotas    | min.compaction.lag.ms=0   | may miss earlier policies: set min.compaction.lag.ms to 2592000000",
                "approved  | message.timestamp.type=LogAppendTime | do not carry the timestamps of their requests",
                "rekeyed   | message.timestamp.type=LogAppendTime | do not carry the timestamps of their requests"
            })
    void weakSettingIsAWarning(String topic, String setting, String said) throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            createInternal(cluster, admin, TestCluster.PARTITIONS);
            var parts = setting.split("=");
            var op = new AlterConfigOp(new ConfigEntry(parts[0], parts[1]), AlterConfigOp.OpType.SET);
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, name(cluster, topic));
            admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();

            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster))
                            .isNotEmpty()
                            .allMatch(finding -> !finding.fatal())
                            .anyMatch(finding -> finding.text().contains(said)));
        }
    }

    @Test
    void severalPolicyPartitionsAreRefused() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            admin.createPartitions(Map.of(name(cluster, "quotas"), NewPartitions.increaseTo(4)))
                    .all()
                    .get();

            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster))
                            .singleElement()
                            .satisfies(finding ->
                                    assertThat(finding.text()).contains("has 4 partitions, but must have exactly 1")));
        }
    }

    @Test
    void everyRefusedKeyIsNamed() throws Exception {
        // A cluster that cannot be recognised answers like a proxy in front of sharded Redis.
        var options = RedisServer.RedisOptions.defaults().withConfig("cluster-enabled yes");
        try (var server = RedisServer.start(options);
                var cluster = TestCluster.on("127.0.0.1:1")
                        .with("REDIS_URL", server.uri())
                        .with("REDIS_USERNAME", "app")
                        .with("REDIS_PASSWORD", "word")) {
            commandAt(server.uri(), "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
            commandAt(
                    server.uri(), ("ACL SETUSER app reset on >word " + Rights.REDIS.replace("+info", "")).split(" +"));

            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(RequestTopology.preflight(cluster.settings())
                                    .redis())
                            .singleElement()
                            .satisfies(finding -> assertThat(finding.text())
                                    .contains("rejects calls with several keys (CROSSSLOT")
                                    .doesNotContain("\n")));
            assertThat(RequestTopology.preflight(cluster.settings()).redisAtStart())
                    .as("the pipeline's own connection finds and says it")
                    .isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource({"rekeyed", "changelog", "told"})
    void otherPartitionCountIsNamed(String topic) throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var admin = admin(cluster)) {
            admin.createTopics(List.of(new NewTopic(name(cluster, topic), 3, (short) 1)))
                    .all()
                    .get();

            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster))
                            .anyMatch(finding -> finding.fatal()
                                    && finding.text()
                                            .contains("has 4 partitions, but " + name(cluster, topic) + " has 3")));
        }
    }

    @Test
    void usedStateFolderIsNamed() throws Exception {
        try (var cluster = TestCluster.on("127.0.0.1:1")) {
            var settings = cluster.settings();
            var folder = Files.createDirectories(
                    settings.streams().stateDir().resolve(settings.streams().applicationId()));
            try (var channel = FileChannel.open(
                            folder.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var lock = channel.lock()) {
                assertThat(lock.isValid()).isTrue();
                assertThat(RequestTopology.preflight(settings).stateFolder())
                        .singleElement()
                        .satisfies(finding -> assertThat(finding.text())
                                .contains(
                                        "is in use by another running instance: give each its own TOLLGATE_STATE_DIR"));
            }
            assertThat(RequestTopology.preflight(settings).stateFolder()).isEmpty();
        }
    }

    @Test
    void stateFolderMustNotBeAFile(@TempDir Path dir) throws Exception {
        var file = Files.writeString(dir.resolve("file"), "");
        try (var cluster = TestCluster.on("127.0.0.1:1").with("TOLLGATE_STATE_DIR", file.toString())) {
            assertThat(RequestTopology.preflight(cluster.settings()).stateFolder())
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.text()).contains("cannot be written"));
        }
    }

    @Test
    void nativeLibraryFailureIsOneLine(@TempDir Path dir) {
        try (var cluster = TestCluster.onSharedBroker().with("ROCKSDB_SHAREDLIB_DIR", dir.resolve("none") + "")) {
            cluster.createTopics();

            try (var application = cluster.launch("run")) {
                assertThat(application.awaitExit(Duration.ofSeconds(60)))
                        .as(application.output())
                        .hasValue(1);
                assertThat(application.output())
                        .contains("RocksDB's native library cannot be loaded", "ROCKSDB_SHAREDLIB_DIR")
                        .doesNotContain("\tat ");
            }
        }
    }

    @Test
    void tlsClientOnAPlainPortIsNamed() {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker()).with("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")) {
            assertThat(RequestTopology.preflight(cluster.settings()).listeners())
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.text())
                            .contains("speaks Kafka without TLS, but KAFKA_SECURITY_PROTOCOL is SASL_SSL"));
        }
    }

    @Test
    void missingBrokerIsNotAFinding() {
        try (var cluster = TestCluster.on("127.0.0.1:" + FreePorts.next())) {
            assertThat(RequestTopology.preflight(cluster.settings()).listeners())
                    .isEmpty();
        }
    }

    static Stream<String> redisRights() {
        return Stream.of(Rights.REDIS.split(" ")).filter(right -> right.startsWith("+") || right.startsWith("~"));
    }

    @ParameterizedTest
    @MethodSource("redisRights")
    void missingRedisRightIsNamed(String right) {
        var rules = Rights.REDIS.replace(right, right.startsWith("~") ? "~other:*" : "");
        setUser("reset on >word " + rules);
        try (var cluster = TestCluster.on("127.0.0.1:1")
                .with("REDIS_URL", redis.uri())
                .with("REDIS_USERNAME", "app")
                .with("REDIS_PASSWORD", "word")) {
            var findings = RequestTopology.preflight(cluster.settings()).redis();

            if (right.equals("+info")) assertThat(findings).isEmpty(); // only to recognise a cluster
            else
                assertThat(findings).anySatisfy(finding -> {
                    assertThat(finding.fatal()).isFalse();
                    assertThat(finding.text())
                            .contains("grant the user " + right)
                            .doesNotContain("\n", "word ");
                });
        }
    }

    @Test
    void exactRightsAreEnough() {
        setUser("reset on >word " + Rights.REDIS);
        try (var cluster = TestCluster.on("127.0.0.1:1")
                .with("REDIS_URL", redis.uri())
                .with("REDIS_USERNAME", "app")
                .with("REDIS_PASSWORD", "word")) {
            assertThat(RequestTopology.preflight(cluster.settings()).redis()).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"allkeys-lru  | set maxmemory-policy noeviction", "volatile-ttl | maxmemory-policy is volatile-ttl"
            })
    void evictingRedisIsNamed(String policy, String said) {
        command("CONFIG", "SET", "maxmemory-policy", policy);
        try (var cluster = TestCluster.on("127.0.0.1:1").with("REDIS_URL", redis.uri())) {
            assertThat(RequestTopology.preflight(cluster.settings()).redis())
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.text()).contains(said));
        } finally {
            command("CONFIG", "SET", "maxmemory-policy", "noeviction");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "redis://app:wrong@%s  | refuses the login",
                "rediss://%s           | does not speak TLS on this port: start REDIS_URL with redis://",
                "redis://127.0.0.1:1   | does not answer"
            })
    void unusableRedisHasARemedy(String url, String said) {
        setUser("reset on >word " + Rights.REDIS);
        try (var cluster =
                TestCluster.on("127.0.0.1:1").with("REDIS_URL", url.formatted("127.0.0.1:" + redis.port()))) {
            assertThat(RequestTopology.preflight(cluster.settings()).redis())
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.text())
                            .contains(said)
                            .contains("decisions use the local buckets")
                            .doesNotContain("wrong", "\n"));
        }
    }

    @Test
    void plainClientOnATlsPortIsNamed(@TempDir Path dir) {
        try (var tls = RedisServer.start(RedisServer.RedisOptions.defaults().withSecurity(Security.create(dir)));
                var cluster = TestCluster.on("127.0.0.1:1").with("REDIS_URL", "redis://127.0.0.1:" + tls.port())) {
            assertThat(RequestTopology.preflight(cluster.settings()).redis())
                    .singleElement()
                    .satisfies(finding ->
                            assertThat(finding.text()).contains("speaks TLS: start REDIS_URL with rediss://"));
        }
    }

    @Test
    void poorRedisMeansWarningAndLocal() {
        setUser("reset on >word " + Rights.REDIS.replace(" +hset", ""));
        try (var cluster = TestCluster.onSharedBroker()
                        .with("REDIS_URL", redis.uri())
                        .with("REDIS_USERNAME", "app")
                        .with("REDIS_PASSWORD", "word");
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            requests.send("agent", 1, 1);

            assertThat(decisions.await(1, application))
                    .allMatch(decision -> decision.header("quota-decided-by").equals("local"));
            assertThat(application.output())
                    .contains(
                            "refuses the command HSET: grant the user +hset; decisions use the local buckets until then")
                    .doesNotContain("\tat ");
        }
    }

    private static List<Finding> brokers(TestCluster cluster) {
        try (var topics = new TopicAdmin(cluster.settings())) {
            return RequestTopology.preflight(cluster.settings()).brokers(topics.admin());
        }
    }

    private static Admin admin(TestCluster cluster) {
        return Admin.create(new HashMap<>(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers())));
    }

    private static void createInternal(TestCluster cluster, Admin admin, int partitions) throws Exception {
        var large = Map.of(
                "max.message.bytes",
                "67108864",
                "retention.ms",
                "-1",
                "message.timestamp.after.max.ms",
                Long.toString(Long.MAX_VALUE));
        admin.createTopics(List.of(
                        new NewTopic(name(cluster, "rekeyed"), partitions, (short) 1).configs(large),
                        new NewTopic(name(cluster, "told"), Optional.of(partitions), Optional.empty())
                                .configs(Map.of("cleanup.policy", "compact")),
                        new NewTopic(name(cluster, "changelog"), Optional.of(partitions), Optional.empty())
                                .configs(Map.of("cleanup.policy", "compact"))))
                .all()
                .get();
    }

    private static String name(TestCluster cluster, String topic) {
        Settings settings = cluster.settings();
        return switch (topic) {
            case "requests" -> settings.topics().requests();
            case "approved" -> settings.topics().approved();
            case "rejected" -> settings.topics().rejected();
            case "quotas" -> settings.topics().policies();
            case "rekeyed" -> settings.streams().applicationId() + "-rekeyed-repartition";
            case "told" -> settings.streams().applicationId() + "-told-events-changelog";
            default -> settings.streams().applicationId() + "-local-buckets-changelog";
        };
    }

    private static void setUser(String rules) {
        var words = ("ACL SETUSER app " + rules).trim().split(" +");
        command(words);
    }

    private static void command(String... words) {
        commandAt(redis.uri(), words);
    }

    private static void commandAt(String uri, String... words) {
        var client = RedisClient.create(uri);
        try (var connection = client.connect()) {
            var arguments = new io.lettuce.core.protocol.CommandArgs<>(io.lettuce.core.codec.StringCodec.UTF8);
            for (int i = 1; i < words.length; i++) arguments.add(words[i]);
            connection
                    .sync()
                    .dispatch(
                            io.lettuce.core.protocol.CommandType.valueOf(words[0]),
                            new io.lettuce.core.output.StatusOutput<>(io.lettuce.core.codec.StringCodec.UTF8),
                            arguments);
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }
}
