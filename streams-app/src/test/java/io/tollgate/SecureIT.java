package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.cli.TopicAdmin;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.preflight.Finding;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.Rights;
import io.tollgate.sandbox.process.Security;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Kafka with logins, TLS and ACLs, Redis with TLS and an ACL user; the pipeline with exactly the necessary rights, and
 * with fewer.
 */
@TestMethodOrder(
        MethodOrderer.OrderAnnotation.class) // rights are taken away from the internal topics that the first test makes
@Order(1) // long, and one after the other
class SecureIT {
    private static final Duration SOON = Duration.ofSeconds(120);
    /** Everything that is logged at all. */
    private static final String DEBUG = """
            <configuration>
              <appender name="all" class="ch.qos.logback.core.ConsoleAppender">
                <encoder><pattern>%level %logger %msg %ex%n</pattern></encoder>
              </appender>
              <logger name="org.eclipse.jetty" level="INFO"/>
              <root level="DEBUG"><appender-ref ref="all"/></root>
            </configuration>
            """;

    @TempDir
    private static Path dir;

    private static Security security;
    private static KafkaBroker broker;
    private static RedisServer redis;

    @BeforeAll
    static void start() {
        security = Security.create(dir.resolve("secure"));
        broker = KafkaBroker.start(KafkaBroker.BrokerOptions.defaults().withSecurity(security));
        redis = RedisServer.start(RedisServer.RedisOptions.defaults().withSecurity(security));
        var admin = TestCluster.on(broker.bootstrapServers());
        properties(Security.ADMIN).forEach(admin::with);
        try (admin) {
            namesByDefault(admin).createTopics();
        }
    }

    @AfterAll
    static void stop() {
        broker.close();
        redis.close();
    }

    @Test
    @Order(1)
    void passwordAndExactRightsSuffice() throws Exception {
        try (var cluster = secured(properties(Security.APPLICATION))) {
            cluster.with("TOLLGATE_HTTP_TOKEN", "canary-of-http");
            assertThat(brokers(cluster)).isEmpty();
            var logback = Files.writeString(dir.resolve("debug.xml"), DEBUG);
            var log = dir.resolve("application.log");
            try (var application = launch(cluster, log, "-Dlogback.configurationFile=" + logback)) {
                application.awaitReady(SOON);
                assertThat(decide("by-password")).contains("quota-decided-by=redis");

                var seen = new ArrayList<>(
                        List.of(Files.readString(log, UTF_8), cluster.settings().toString()));
                for (String path : List.of("/", "/metrics", "/health/ready", "/api/status", "/nowhere")) {
                    seen.add(get(application.http().resolve(path)));
                }
                assertThat(seen.get(0)).contains("DEBUG").contains("ScramSaslClient");
                assertThat(seen).allSatisfy(SecureIT::showsNoSecret);
                assertThat(log).content().doesNotContain("canary-of-http");
            }
        }
    }

    @Test
    @Order(2)
    void certificateAndExactRightsSuffice() throws Exception {
        try (var cluster = secured(environment(security.certificateProperties()))) {
            cluster.with("KAFKA_BOOTSTRAP_SERVERS", broker.mutualTlsServers());
            assertThat(brokers(cluster)).isEmpty();
            try (var application = launch(cluster, dir.resolve("certificate.log"))) {
                application.awaitReady(SOON);

                assertThat(decide("by-certificate")).contains("quota-decided-by=redis");
            }
        }
    }

    @TestFactory
    @Order(3)
    Stream<DynamicTest> oneRightLessIsNamed() {
        return Rights.application().stream()
                .map(right -> DynamicTest.dynamicTest(
                        right.entry().operation() + " " + right.pattern().resourceType() + " "
                                + right.pattern().name(),
                        () -> without(right)));
    }

    private static void without(AclBinding right) throws Exception {
        try (var admin = Admin.create(broker.clientProperties(Security.ADMIN));
                var cluster = secured(properties(Security.APPLICATION))) {
            boolean create = right.entry().operation() == AclOperation.CREATE;
            // The right to create topics matters only while there are none.
            if (create) cluster.with("TOLLGATE_APPLICATION_ID", "tollgate-new");
            admin.deleteAcls(List.of(right.toFilter())).all().get();
            try {
                await().atMost(SOON)
                        .untilAsserted(() -> assertThat(brokers(cluster))
                                .filteredOn(finding -> !create || finding.text().contains("created"))
                                .isNotEmpty()
                                .allSatisfy(finding -> {
                                    assertThat(finding.text())
                                            .doesNotContain("\n")
                                            .contains(subject(right));
                                    assertThat(finding.text())
                                            .contains(right.entry().operation().name());
                                    assertThat(finding.fatal()).isEqualTo(isFatal(right));
                                }));
            } finally {
                admin.createAcls(List.of(right)).all().get();
            }
            cluster.with("TOLLGATE_APPLICATION_ID", "tollgate");
            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster)).isEmpty());
        }
    }

    @ParameterizedTest
    @Order(4)
    @ValueSource(strings = {"approved-requests", "rejected-requests", "quota-events"})
    void readersCannotWrite(String topic) throws Exception {
        var write = Rights.application().stream()
                .filter(right ->
                        right.pattern().name().equals(topic) && right.entry().operation() == AclOperation.WRITE)
                .findFirst()
                .orElseThrow();
        var read = new AclBinding(
                write.pattern(),
                new AccessControlEntry(write.entry().principal(), "*", AclOperation.READ, AclPermissionType.ALLOW));
        try (var admin = Admin.create(broker.clientProperties(Security.ADMIN));
                var cluster = secured(properties(Security.APPLICATION))) {
            admin.createAcls(List.of(read)).all().get();
            admin.deleteAcls(List.of(write.toFilter())).all().get();
            try {
                await().atMost(SOON)
                        .untilAsserted(() -> assertThat(brokers(cluster))
                                .singleElement()
                                .satisfies(finding -> assertThat(finding.text())
                                        .isEqualTo("topic " + topic
                                                + " may not be written: grant the application WRITE on it")));
            } finally {
                admin.createAcls(List.of(write)).all().get();
                admin.deleteAcls(List.of(read.toFilter())).all().get();
            }
        }
    }

    private static boolean isFatal(AclBinding right) {
        var operation = right.entry().operation();
        return operation != AclOperation.DELETE && operation != AclOperation.DESCRIBE_CONFIGS;
    }

    private static String subject(AclBinding right) {
        return right.pattern().resourceType() == ResourceType.TRANSACTIONAL_ID
                ? "transactional ids prefixed tollgate-"
                : right.pattern().name();
    }

    @Test
    @Order(4)
    void withoutReadRightOneLineAndExit1() throws Exception {
        var right = Rights.application().stream()
                .filter(binding -> binding.pattern().name().equals("agent-requests"))
                .findFirst()
                .orElseThrow();
        try (var admin = Admin.create(broker.clientProperties(Security.ADMIN));
                var cluster = secured(properties(Security.APPLICATION))) {
            admin.deleteAcls(List.of(right.toFilter())).all().get();
            await().atMost(SOON)
                    .untilAsserted(() -> assertThat(brokers(cluster)).isNotEmpty());
            try (var application = launch(cluster, dir.resolve("forbidden.log"))) {
                assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
                assertThat(application.output())
                        .contains("topic agent-requests may not be described: grant the application READ on it")
                        .doesNotContain("\tat ");
            } finally {
                admin.createAcls(List.of(right)).all().get();
            }
        }
    }

    @Test
    @Order(5)
    void plainClientOneLineAndExit1() {
        try (var cluster = secured(Map.of());
                var application = launch(cluster, dir.resolve("plain.log"))) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
            assertThat(application.output())
                    .contains(broker.bootstrapServers() + " speaks TLS, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT: set")
                    .doesNotContain("\tat ", "OutOfMemory");
        }
    }

    @Test
    @Order(6)
    void wrongPasswordStaysHidden() {
        var wrong = properties(Security.APPLICATION);
        wrong.put(
                "KAFKA_SASL_JAAS_CONFIG",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"tollgate\""
                        + " password=\"canary-of-kafka\";");
        try (var cluster = secured(wrong);
                var application = launch(cluster, dir.resolve("wrong.log"))) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
            assertThat(application.output())
                    .contains("Kafka refuses the login (")
                    .contains("check KAFKA_SASL_MECHANISM and KAFKA_SASL_JAAS_CONFIG")
                    .doesNotContain("canary-of-kafka", "\tat ");
        }
    }

    @Test
    @Order(7)
    void documentedRightsAreTheTestedOnes() throws IOException {
        var page = Files.readString(root().resolve("docs/security.md"));
        var documented = page.lines()
                .filter(line -> line.startsWith("--add "))
                .map(SecureIT::binding)
                .collect(Collectors.toSet());

        assertThat(documented)
                .isEqualTo(Rights.application().stream().map(SecureIT::text).collect(Collectors.toSet()));
        assertThat(page).contains("ACL SETUSER tollgate on >secret " + Rights.REDIS + "\n");
    }

    private static String binding(String command) {
        var words = List.of(command.split(" "));
        var type = Stream.of("topic", "group", "transactional-id")
                .filter(name -> words.contains("--" + name))
                .findFirst()
                .orElseThrow();
        return String.join(
                " ",
                after(words, "--allow-principal"),
                after(words, "--operation"),
                type.replace('-', '_').toUpperCase(java.util.Locale.ROOT),
                after(words, "--" + type),
                words.contains("prefixed") ? PatternType.PREFIXED.name() : PatternType.LITERAL.name());
    }

    private static String text(AclBinding right) {
        return String.join(
                " ",
                right.entry().principal(),
                right.entry().operation().name(),
                right.pattern().resourceType().name(),
                right.pattern().name(),
                right.pattern().patternType().name());
    }

    private static String after(List<String> words, String option) {
        return words.get(words.indexOf(option) + 1);
    }

    private static Path root() {
        var dir = Path.of("").toAbsolutePath();
        while (!Files.exists(dir.resolve("docs"))) dir = dir.getParent();
        return dir;
    }

    private static void showsNoSecret(String text) {
        var password = security.clientProperties(Security.APPLICATION)
                .get("sasl.jaas.config")
                .replaceFirst(".*password=\"([^\"]+)\".*", "$1");
        assertThat(text.contains(password))
                .as("the password for Kafka is shown")
                .isFalse();
        assertThat(text.contains(security.redisPassword()))
                .as("the password for Redis is shown")
                .isFalse();
    }

    /** Publishes one request as an agent, and returns the headers of its decision as an auditor. */
    private static String decide(String agent) throws Exception {
        try (var producer = new KafkaProducer<>(
                        broker.clientProperties(Security.AGENTS),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
                var consumer = new KafkaConsumer<>(
                        broker.clientProperties(Security.AUDITORS),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            producer.send(new ProducerRecord<>("agent-requests", agent.getBytes(UTF_8), Requests.value(agent, 1, 1)))
                    .get();
            var partitions = consumer.partitionsFor("approved-requests").stream()
                    .map(info -> new TopicPartition(info.topic(), info.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var found = new ArrayList<String>();
            await().atMost(SOON).until(() -> {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> {
                    if (!new String(record.key(), UTF_8).equals(agent)) return;
                    record.headers()
                            .forEach(header -> found.add(header.key() + "=" + new String(header.value(), UTF_8)));
                });
                return !found.isEmpty();
            });
            return found.toString();
        }
    }

    private static Collection<Finding> brokers(TestCluster cluster) {
        try (var topics = new TopicAdmin(cluster.settings())) {
            return RequestTopology.preflight(cluster.settings()).brokers(topics.admin());
        }
    }

    private static ApplicationProcess launch(TestCluster cluster, Path log, String... more) {
        var arguments = new ArrayList<>(List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        arguments.addAll(security.trustArguments());
        arguments.addAll(List.of(more));
        var options = ApplicationProcess.AppOptions.defaults()
                .withLog(log)
                .withJvmArguments(arguments.toArray(String[]::new));
        for (var variable : cluster.environment().entrySet()) {
            options = options.withEnvironment(variable.getKey(), variable.getValue());
        }
        return ApplicationProcess.start(options);
    }

    private static TestCluster secured(Map<String, String> kafka) {
        var cluster = namesByDefault(TestCluster.on(broker.bootstrapServers()))
                .with("REDIS_URL", redis.uri())
                .with("REDIS_USERNAME", Security.APPLICATION)
                .with(
                        "REDIS_PASSWORD_FILE",
                        security.dir().resolve("redis.password").toString());
        kafka.forEach(cluster::with);
        return cluster;
    }

    private static TestCluster namesByDefault(TestCluster cluster) {
        return cluster.with("TOLLGATE_APPLICATION_ID", "tollgate")
                .with("TOLLGATE_REQUESTS_TOPIC", "agent-requests")
                .with("TOLLGATE_APPROVED_TOPIC", "approved-requests")
                .with("TOLLGATE_REJECTED_TOPIC", "rejected-requests")
                .with("TOLLGATE_POLICIES_TOPIC", "agent-quotas");
    }

    private static Map<String, String> properties(String user) {
        return environment(security.clientProperties(user));
    }

    private static Map<String, String> environment(Map<String, String> properties) {
        return properties.entrySet().stream()
                .collect(Collectors.toMap(
                        property -> "KAFKA_"
                                + property.getKey()
                                        .toUpperCase(java.util.Locale.ROOT)
                                        .replace('.', '_'),
                        Map.Entry::getValue));
    }

    private static String get(URI uri) throws Exception {
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
                .body();
    }
}
