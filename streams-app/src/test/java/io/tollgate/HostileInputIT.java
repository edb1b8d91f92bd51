package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lettuce.core.RedisClient;
import io.tollgate.ingest.RequestParserTest;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Any bytes of an agent give one decided record, and the pipeline goes on. One pipeline for all rows. */
class HostileInputIT {
    private static final double CAPACITY = 1000;
    /** As the operator allows; above the longest legal string. */
    private static final int TOPIC_BYTES = 24_000_000;
    /** The size of a batch with one record, without key and value. */
    private static final int BATCH_BYTES = 120;

    private static final int MANY_HEADERS = 1000;
    private static final int FORGED_HEADERS = 40_000;

    private record Row(String name, ProducerRecord<byte[], byte[]> record, Consumer<Decisions.Seen> outcome) {}

    private static RedisServer redis;
    private static TestCluster cluster;
    private static ApplicationProcess application;
    private static final List<Row> invalid = new ArrayList<>();
    private static final List<Row> rows = new ArrayList<>();
    private static final Map<String, List<Decisions.Seen>> decided = new HashMap<>();
    private static final Map<String, String> sources = new HashMap<>();
    private static String before;
    private static String after;

    @BeforeAll
    static void publishAll() throws Exception {
        redis = RedisServer.start();
        cluster = TestCluster.onSharedBroker()
                .withLimit(CAPACITY, 0)
                .withHeap("512m") // a poll of each thread may bring several of the largest records
                .withPatience()
                .with("REDIS_URL", redis.uri());
        allowLargeRecords();
        addRows();
        application = cluster.start();
        try (var decisions = new Decisions(cluster)) {
            decideOne(decisions); // until then, calls are those of starting up
            before = calls();
            publish(invalid);
            decisions.await(1 + invalid.size(), application);
            after = calls();
            abort();
            publish(rows);
            decisions.await(1 + invalid.size() + rows.size(), application);
            for (var seen : decisions.poll()) {
                decided.computeIfAbsent(seen.source(), source -> new ArrayList<>())
                        .add(seen);
            }
        }
    }

    @AfterAll
    static void stop() {
        application.close();
        cluster.close();
        redis.close();
    }

    @TestFactory
    Stream<DynamicTest> hostileRecordIsDecidedOnce() {
        return Stream.concat(invalid.stream(), rows.stream())
                .map(row -> DynamicTest.dynamicTest(row.name(), () -> {
                    var decisions = decided.getOrDefault(sources.get(row.name()), List.of());
                    assertThat(decisions).as("decisions").hasSize(1);
                    row.outcome().accept(decisions.get(0));
                }));
    }

    @Test
    void invalidRecordsDoNotAskRedis() {
        assertThat(after).isEqualTo(before);
    }

    @Test
    void abortedRecordsAreNotSeen() {
        assertThat(decided.values().stream().mapToLong(List::size).sum()).isEqualTo(1L + invalid.size() + rows.size());
        assertThat(decided.values().stream().flatMap(List::stream)).noneMatch(seen -> "aborted".equals(seen.agent()));
    }

    @Test
    void noThreadIsLost() {
        assertThat(application.isAlive()).isTrue();
        assertThat(application.isReady()).isTrue(); // a lost thread would have ended the process
        assertThat(application.output()).doesNotContain("\tat ", "jndi");
    }

    private static void addRows() {
        RequestParserTest.illegal().forEach(arguments -> {
            var row = arguments.get();
            var bytes = (byte[]) row[1];
            addInvalid("invalid: " + row[0], record("key", bytes), (String) row[2]);
        });
        addInvalid(
                "a string of 20 MB",
                record("key", utf8("{\"agent_id\":\"a\",\"p\":\"" + "x".repeat(20_000_000) + "\"}")),
                "strings above 16777216 bytes");
        addInvalid(
                "garbage at the topic's limit",
                record(null, filled(TOPIC_BYTES - BATCH_BYTES, "garbage")),
                "value must");
        addInvalid(
                "a request of 40 MB that was compressed",
                record("a", filled(40_000_000, "{\"agent_id\":\"a\"}")),
                "record must be at most");
        var fat = new ProducerRecord<>(cluster.requestsTopic(), 0, utf8("a"), Requests.value("a", 1, 1));
        fat.headers().add("fat", new byte[40_000_000]);
        invalid.add(new Row("headers of 40 MB that were compressed", fat, seen -> {
            assertThat(detail(seen)).contains("record must be at most");
            assertThat(seen.record().headers().lastHeader("fat")).isNull();
        }));

        for (String agent :
                List.of("*", "a}{b", "../x", "quota:other:tokens", "${jndi:ldap://127.0.0.1:1/x}", "__proto__")) {
            rows.add(new Row("agent " + agent, record(agent, Requests.value(agent, 7, 1)), seen -> {
                approved(seen, agent);
                assertThat(TestCluster.tokensInRedis(redis.uri(), agent)).isEqualTo(CAPACITY - 7);
            }));
        }
        rows.add(new Row(
                "a key that is another agent's",
                record("victim", Requests.value("spender", 5, 1)),
                seen -> approved(seen, "spender")));
        rows.add(new Row("no key", record(null, Requests.value("keyless", 5, 1)), seen -> approved(seen, "keyless")));
        rows.add(new Row("tokens 0", record("free", Requests.value("free", 0, 1)), seen -> {
            approved(seen, "free");
            assertThat(seen.remaining()).isEqualTo(CAPACITY);
        }));
        rows.add(new Row("no tokens", record("one", utf8("{\"agent_id\":\"one\"}")), seen -> {
            approved(seen, "one");
            assertThat(seen.remaining()).isEqualTo(CAPACITY - 1);
        }));
        rows.add(new Row("tokens 0.25", record("decimal", Requests.value("decimal", 0.25, 1)), seen -> {
            approved(seen, "decimal");
            assertThat(seen.remaining()).isEqualTo(CAPACITY - 0.25);
        }));
        rows.add(new Row("above the capacity", record("big", Requests.value("big", CAPACITY + 1, 1)), seen -> {
            var json = Decisions.json(seen.record().value());
            assertThat(json.path("reason").textValue()).isEqualTo("cost_exceeds_capacity");
            assertThat(json.has("retry_after_ms")).isFalse();
        }));
        rows.add(new Row(
                "a request at the topic's own limit",
                record("large", filled(TOPIC_BYTES - BATCH_BYTES, "{\"agent_id\":\"large\"}")),
                seen -> approved(seen, "large")));
        rows.add(new Row(
                "a refused request at the topic's own limit",
                record("huge", filled(TOPIC_BYTES - BATCH_BYTES, "{\"agent_id\":\"huge\",\"tokens\":5000}")),
                seen -> {
                    var json = Decisions.json(seen.record().value());
                    assertThat(json.path("request_bytes").intValue()).isEqualTo(TOPIC_BYTES - BATCH_BYTES);
                    assertThat(json.path("request_sha256").textValue()).hasSize(64);
                }));
        for (long timestamp : new long[] {0, 253_402_300_799_000L}) {
            var agent = "time-" + timestamp;
            rows.add(new Row(
                    "timestamp " + timestamp,
                    new ProducerRecord<>(cluster.requestsTopic(), null, timestamp, null, Requests.value(agent, 1, 1)),
                    seen -> {
                        approved(seen, agent);
                        isNow(seen.record().timestamp());
                        assertThat(seen.header("quota-timestamp")).isEqualTo(Long.toString(timestamp));
                        assertThat(seen.remaining()).isEqualTo(CAPACITY - 1);
                    }));
        }
        rows.add(new Row("no timestamp, approved", withoutTimestamp(Requests.value("timeless", 1, 1)), seen -> {
            approved(seen, "timeless");
            isNow(seen.record().timestamp());
            assertThat(seen.header("quota-timestamp")).as("what is nearest").isEqualTo("0");
            assertThat(seen.remaining()).isEqualTo(CAPACITY - 1);
        }));
        rows.add(new Row("no timestamp, rejected", withoutTimestamp(Requests.value("timeless-2", 5000, 1)), seen -> {
            var json = Decisions.json(seen.record().value());
            assertThat(json.at("/source/timestamp").asText()).isEqualTo("0");
            isNow(seen.record().timestamp());
        }));
        addHeaders();
        for (int i = 1; i <= 2; i++) {
            rows.add(new Row(
                    "the same request_id, " + i,
                    record("twice", Requests.value("twice", 10, 1)),
                    seen -> approved(seen, "twice")));
        }
    }

    private static void addHeaders() {
        var many = new RecordHeaders();
        IntStream.range(0, MANY_HEADERS).forEach(i -> many.add("h" + i, i % 2 == 0 ? null : utf8("v" + i)));
        many.add("quota-decision", utf8("approved")).add("quota-remaining", utf8("1e9"));
        rows.add(new Row(
                "a thousand headers and forged ones",
                new ProducerRecord<>(
                        cluster.requestsTopic(), null, null, utf8("headers"), Requests.value("headers", 1, 1), many),
                seen -> {
                    approved(seen, "headers");
                    assertThat(Stream.of(seen.record().headers().toArray())
                                    .filter(header -> header.key().startsWith("h")))
                            .hasSize(MANY_HEADERS);
                    assertThat(seen.record().headers().lastHeader("h0").value()).isNull();
                    assertThat(seen.record().headers().headers("quota-decision"))
                            .hasSize(1);
                    assertThat(seen.remaining()).isEqualTo(CAPACITY - 1);
                }));
        var forged = new RecordHeaders();
        IntStream.range(0, FORGED_HEADERS).forEach(i -> forged.add("quota-" + i, null));
        rows.add(new Row(
                "forty thousand forged headers",
                new ProducerRecord<>(
                        cluster.requestsTopic(), null, null, utf8("forger"), Requests.value("forger", 1, 1), forged),
                seen -> {
                    approved(seen, "forger");
                    assertThat(seen.record().headers().toArray()).hasSizeLessThan(10);
                }));
    }

    private static void addInvalid(String name, ProducerRecord<byte[], byte[]> record, String detail) {
        invalid.add(new Row(name, record, seen -> {
            assertThat(seen.approved()).isFalse();
            assertThat(detail(seen)).contains(detail).hasSizeLessThanOrEqualTo(200);
            assertThat(seen.record().key()).isEqualTo(record.key());
            var json = Decisions.json(seen.record().value());
            assertThat(json.path("reason").textValue()).isEqualTo("invalid_request");
            assertThat(json.has("request")).isFalse();
            var value = record.value() == null ? new byte[0] : record.value();
            if (json.has("request_base64")) {
                assertThat(Base64.getDecoder()
                                .decode(json.path("request_base64").textValue()))
                        .isEqualTo(value);
            } else {
                assertThat(json.path("request_sha256").textValue()).isEqualTo(sha256(value));
            }
        }));
    }

    private static String detail(Decisions.Seen seen) {
        return Decisions.json(seen.record().value()).path("detail").textValue();
    }

    private static void approved(Decisions.Seen seen, String agent) {
        assertThat(seen.approved()).isTrue();
        assertThat(new String(seen.record().key(), UTF_8)).isEqualTo(agent);
        assertThat(seen.header("quota-decided-by")).isEqualTo("redis");
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static void isNow(long timestamp) {
        assertThat(timestamp)
                .isCloseTo(
                        System.currentTimeMillis(), within(Duration.ofHours(1).toMillis()));
    }

    private static ProducerRecord<byte[], byte[]> record(String key, byte[] value) {
        return new ProducerRecord<>(cluster.requestsTopic(), key == null ? null : utf8(key), value);
    }

    /** Returns a record of a client without timestamps. Kafka's own class checks only its constructor's argument. */
    private static ProducerRecord<byte[], byte[]> withoutTimestamp(byte[] value) {
        return new ProducerRecord<>(cluster.requestsTopic(), value) {
            @Override
            public Long timestamp() {
                return -1L;
            }
        };
    }

    private static byte[] filled(int size, String start) {
        var bytes = new byte[size];
        Arrays.fill(bytes, (byte) ' ');
        System.arraycopy(utf8(start), 0, bytes, 0, utf8(start).length);
        return bytes;
    }

    private static void decideOne(Decisions decisions) throws Exception {
        try (var producer = producer("none")) {
            producer.send(record("first", Requests.value("first", 1, 1))).get();
        }
        decisions.await(1, application);
    }

    private static void publish(List<Row> batch) throws Exception {
        var sent = new HashMap<String, Future<RecordMetadata>>();
        // Sends each record in a batch of its own, so that a small one beside a large one stays below the limit.
        try (var plain = producer("none");
                var compressing = producer("gzip")) {
            for (Row row : batch) {
                sent.put(row.name(), (row.name().contains("compressed") ? compressing : plain).send(row.record()));
            }
            for (var one : sent.entrySet()) {
                var metadata = one.getValue().get();
                sources.put(one.getKey(), metadata.topic() + "/" + metadata.partition() + "/" + metadata.offset());
            }
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(String compression) {
        return cluster.producer(Map.of(
                "batch.size",
                0,
                "max.request.size",
                64_000_000,
                "buffer.memory",
                256_000_000L,
                "compression.type",
                compression));
    }

    private static void abort() {
        try (var producer = cluster.producer(Map.of("transactional.id", "hostile-" + cluster.requestsTopic()))) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int i = 0; i < 50; i++) producer.send(record("aborted", Requests.value("aborted", 1, i)));
            producer.flush();
            producer.abortTransaction();
        }
    }

    private static void allowLargeRecords() throws Exception {
        var topics = cluster.settings().topics();
        var limits = Map.of(
                topics.requests(), TOPIC_BYTES,
                topics.approved(), TOPIC_BYTES + 65_536,
                topics.rejected(), TOPIC_BYTES + 1_000_000);
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", TestCluster.sharedBroker()))) {
            for (var limit : limits.entrySet()) {
                var entry = new ConfigEntry("max.message.bytes", Integer.toString(limit.getValue()));
                admin.incrementalAlterConfigs(Map.of(
                                new ConfigResource(ConfigResource.Type.TOPIC, limit.getKey()),
                                List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET))))
                        .all()
                        .get();
            }
        }
    }

    /** Returns how often Redis ran the script. */
    private static String calls() {
        var client = RedisClient.create(redis.uri());
        try (var connection = client.connect()) {
            var matcher = Pattern.compile("cmdstat_evalsha:calls=(\\d+)")
                    .matcher(connection.sync().info("commandstats"));
            assertThat(matcher.find()).isTrue();
            return matcher.group(1);
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }
}
