package io.tollgate.pipeline;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.config.Settings;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Without Redis; the test driver gives every topic a single partition, number 0. */
class RequestTopologyTest {
    private static final Path GOLDEN = Path.of("src", "test", "resources", "topology.txt");
    private static final Path ACTUAL = Path.of("target", "topology.txt");
    private static final Path SCHEMA = Path.of("..", "schemas", "rejected-request.schema.json");
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Half of all agents are strays on partition 0. */
    private static final int PARTITIONS = 2;

    private static final long RECENT = System.currentTimeMillis() - 60_000;

    @TempDir
    private Path dir;

    private final BucketClock clock = new BucketClock();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private TopologyTestDriver driver;
    private TestInputTopic<byte[], byte[]> requests;
    private TestOutputTopic<byte[], byte[]> approved;
    private TestOutputTopic<byte[], byte[]> rejected;

    @BeforeEach
    void open() throws Exception {
        open(100, 10);
    }

    private void open(double capacity, double refill) throws Exception {
        close();
        var settings = settings(capacity, refill);
        driver = new TopologyTestDriver(topology(settings), StreamsProperties.of(settings));
        requests = driver.createInputTopic("agent-requests", new ByteArraySerializer(), new ByteArraySerializer());
        approved =
                driver.createOutputTopic("approved-requests", new ByteArrayDeserializer(), new ByteArrayDeserializer());
        rejected =
                driver.createOutputTopic("rejected-requests", new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    @AfterEach
    void close() {
        if (driver != null) driver.close();
    }

    private Settings settings(double capacity, double refill) throws Exception {
        return Settings.from(
                Map.of(
                        "TOKEN_BUCKET_SIZE", Double.toString(capacity),
                        "TOKEN_REFILL_RATE", Double.toString(refill),
                        "TOLLGATE_STATE_DIR", dir.resolve("state").toString(),
                        "TOLLGATE_STREAM_THREADS", "1"),
                Settings.Use.PIPELINE);
    }

    private static Policies policies(Settings settings) {
        return new Policies(Policy.byDefault(settings.defaultLimit()), () -> {});
    }

    private Topology topology(Settings settings) {
        var tasks = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                PARTITIONS,
                () -> 64 * 1024 * 1024,
                settings.streams().exactlyOnce(),
                Optional.empty(),
                clock,
                policies(settings),
                (topic, partition) -> topic.hashCode() * 31L + partition + 1,
                new CommittedOffsets(),
                new PipelineMetrics(registry),
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        return new RequestTopology(settings.topics(), settings.streams().applicationId(), tasks)
                .build(StreamsProperties.of(settings));
    }

    @Test
    void topologyIsTheGoldenOne() throws Exception {
        var description = topology(settings(1, 1)).describe().toString().replaceAll("\\s+\n", "\n");
        Files.createDirectories(ACTUAL.getParent());
        Files.writeString(ACTUAL, description);

        assertThat(description)
                .as(
                        "A renamed store or internal topic loses its state in every installation. If the change is meant,"
                                + " and needs no migration: cp streams-app/%s streams-app/%s",
                        ACTUAL, GOLDEN)
                .isEqualTo(Files.readString(GOLDEN));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"AGENT\"}",
                " {\r\n\t\"tokens\" : 1.0e0 , \"agent_id\":\"AGENT\",\"payload\":{\"a\":[1.10,\"\\u00e9é🦊\"],\"a\":null} }\n\n",
                "{\"agent_id\":\"AGENT\",\"tokens\":100,\"request_id\":\"r\"}",
                "{\"agent_id\":\"AGENT\",\"big\":123456789012345678901234567890.10}"
            })
    void approvalIsTheRequestsOwnBytes(String template) {
        for (String agent : List.of(homeAgent(), strayAgent())) {
            byte[] bytes = utf8(template.replace("AGENT", agent));

            pipe(utf8(agent), bytes);

            var record = approved.readRecord();
            assertThat(record.value()).isEqualTo(bytes);
            assertThat(record.key()).isEqualTo(utf8(agent));
        }
        assertThat(rejected.isEmpty()).isTrue();
    }

    @Test
    void approvalHasItsHeaders() {
        long before = clock.getAsLong();
        requests.pipeInput(new TestRecord<>(
                utf8(homeAgent()),
                request(homeAgent(), "2.5"),
                new RecordHeaders()
                        .add("trace", utf8("t"))
                        .add("quota-decision", utf8("forged"))
                        .add("quota-limit", utf8("forged")),
                RECENT));

        var record = approved.readRecord();
        assertThat(names(record.headers()))
                .containsExactlyInAnyOrder(
                        "trace",
                        "quota-source",
                        "quota-decision",
                        "quota-remaining",
                        "quota-decided-by",
                        "quota-decided-at",
                        "quota-policy");
        assertThat(header(record, "trace")).isEqualTo("t");
        assertThat(header(record, "quota-source")).isEqualTo("agent-requests/0/0");
        assertThat(header(record, "quota-decision")).isEqualTo("approved");
        assertThat(header(record, "quota-remaining")).isEqualTo("97.5");
        assertThat(header(record, "quota-decided-by")).isEqualTo("local");
        assertThat(Long.parseLong(header(record, "quota-decided-at"))).isBetween(before, clock.getAsLong());
        assertThat(header(record, "quota-policy")).isEqualTo("default");
        assertThat(record.timestamp()).isEqualTo(RECENT);
    }

    @Test
    void headersAndJsonOfARefusalAgree() throws Exception {
        pipe(homeAgent(), "100");
        approved.readRecord();
        byte[] bytes = utf8("{\"request_id\":\"r-2\",\"agent_id\":\"" + homeAgent() + "\",\"tokens\":50,\"x\":[1.10]}");
        requests.pipeInput(new TestRecord<>(utf8(homeAgent()), bytes, new RecordHeaders().add("trace", null), RECENT));

        var record = rejected.readRecord();
        var json = json(record);
        assertThat(record.key()).isEqualTo(utf8(homeAgent()));
        assertThat(names(record.headers()))
                .containsExactlyInAnyOrder(
                        "trace",
                        "quota-source",
                        "quota-decision",
                        "quota-reason",
                        "quota-remaining",
                        "quota-decided-by",
                        "quota-decided-at",
                        "quota-policy");
        assertThat(header(record, "quota-decision")).isEqualTo("rejected");
        assertThat(header(record, "quota-reason"))
                .isEqualTo("quota_exceeded")
                .isEqualTo(json.get("reason").textValue());
        assertThat(header(record, "quota-decided-at"))
                .isEqualTo(json.get("decided_at").asText());
        assertThat(Double.parseDouble(header(record, "quota-remaining")))
                .isEqualTo(json.get("remaining").doubleValue());
        assertThat(json.get("request_id").textValue()).isEqualTo("r-2");
        assertThat(json.get("agent_id").textValue()).isEqualTo(homeAgent());
        assertThat(json.get("tokens").intValue()).isEqualTo(50);
        assertThat(json.get("capacity").intValue()).isEqualTo(100);
        assertThat(json.get("refill_rate").intValue()).isEqualTo(10);
        assertThat(json.get("decided_by").textValue()).isEqualTo("local");
        assertThat(json.get("source"))
                .isEqualTo(JSON.readTree(
                        "{\"topic\":\"agent-requests\",\"partition\":0,\"offset\":1,\"timestamp\":" + RECENT + "}"));
        assertThat(text(record.value()))
                .as("the agent's own JSON, never written anew")
                .contains(text(bytes));
        assertThat(json.get("retry_after_ms").longValue()).isBetween(1L, 5001L);
    }

    @Test
    void retryAfterIsExact() throws Exception {
        pipe(homeAgent(), "100");
        pipe(homeAgent(), "50");
        long retryAfterMillis =
                json(rejected.readRecord()).get("retry_after_ms").longValue();

        pass(Duration.ofMillis(retryAfterMillis));
        pipe(homeAgent(), "50");

        assertThat(approved.getQueueSize()).isEqualTo(2);
    }

    @Test
    void withoutRefillNoRetryIsPromised() throws Exception {
        open(100, 0);
        pipe(homeAgent(), "100");
        pipe(homeAgent(), "1");

        var json = json(rejected.readRecord());
        assertThat(json.get("reason").textValue()).isEqualTo("quota_exceeded");
        assertThat(json.has("retry_after_ms")).isFalse();
    }

    @Test
    void costAboveCapacityChargesNothing() throws Exception {
        pipe(homeAgent(), "100.5");
        pipe(homeAgent(), "1e12");
        pipe(homeAgent(), "100");

        for (String tokens : List.of("100.5", "1000000000000")) {
            var json = json(rejected.readRecord());
            assertThat(json.get("reason").textValue()).isEqualTo("cost_exceeds_capacity");
            assertThat(json.get("tokens").asText()).isIn(tokens, "1.0E12");
            assertThat(json.has("retry_after_ms")).isFalse();
        }
        assertThat(header(approved.readRecord(), "quota-remaining")).isEqualTo("0");
    }

    @Test
    void emptyBucketCoversCostOfZero() throws Exception {
        open(100, 0);
        pipe(homeAgent(), "100");
        pipe(homeAgent(), "0");

        assertThat(approved.readRecordsToList())
                .extracting(record -> header(record, "quota-remaining"))
                .containsExactly("0", "0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "not json",
                "[]",
                "{\"agent_id\":\"a\",\"tokens\":\"10\"}",
                "\uFEFF{}",
                "{\"agent_id\":\"a\",\"request_id\":\"\\ud800\"}"
            })
    void invalidRecordKeepsItsBytes(String value) throws Exception {
        requests.pipeInput(new TestRecord<>(
                utf8("its-own-key"), utf8(value), new RecordHeaders().add("quota-remaining", utf8("1")), 5L));

        var record = rejected.readRecord();
        var json = json(record);
        assertThat(record.key()).isEqualTo(utf8("its-own-key"));
        assertThat(names(record.headers())).containsExactlyInAnyOrder("quota-decision", "quota-reason", "quota-source");
        assertThat(header(record, "quota-reason")).isEqualTo("invalid_request");
        assertThat(json.get("reason").textValue()).isEqualTo("invalid_request");
        assertThat(Base64.getDecoder().decode(json.get("request_base64").textValue()))
                .isEqualTo(utf8(value));
        assertThat(json.has("request")).isFalse();
        assertThat(approved.isEmpty()).isTrue();
    }

    @Test
    void nullKeysAndValueAreDecided() throws Exception {
        pipe(null, (byte[]) null);
        pipe(null, utf8("{"));
        pipe(null, request(homeAgent(), "1"));
        pipe(null, request(strayAgent(), "1"));

        var invalid = rejected.readRecordsToList();
        assertThat(invalid)
                .hasSize(2)
                .allSatisfy(record -> assertThat(record.key()).isNull());
        assertThat(json(invalid.get(0)).get("request_base64").textValue()).isEmpty();
        assertThat(approved.readRecordsToList())
                .extracting(record -> text(record.key()))
                .containsExactlyInAnyOrder(homeAgent(), strayAgent());
    }

    @ParameterizedTest
    @ValueSource(ints = {996_000, 1_000_000, 5_000_000})
    void tooLargeRequestIsNamedByItsHash(int size) throws Exception {
        var head = "{\"agent_id\":\"" + homeAgent() + "\",\"tokens\":101,\"p\":\"";
        byte[] bytes = utf8(head + "x".repeat(size) + "\"}");
        byte[] broken = utf8("x".repeat(size));

        pipe(utf8(homeAgent()), bytes);
        pipe(utf8(homeAgent()), broken);

        for (byte[] expected : List.of(bytes, broken)) {
            var record = rejected.readRecord();
            var json = json(record);
            assertThat(record.value()).hasSizeLessThan(1_000_000);
            assertThat(json.get("request_bytes").intValue()).isEqualTo(expected.length);
            assertThat(json.get("request_sha256").textValue())
                    .isEqualTo(HexFormat.of()
                            .formatHex(MessageDigest.getInstance("SHA-256").digest(expected)));
            assertThat(json.has("request")).isFalse();
            assertThat(json.has("request_base64")).isFalse();
        }
    }

    @Test
    void largeRejectionFitsKafkasDefault() throws Exception {
        byte[] bytes = utf8("{\"agent_id\":\"" + "é".repeat(128) + "\",\"tokens\":101,\"request_id\":\""
                + "é".repeat(128) + "\",\"p\":\"" + "x".repeat(995_000 - 600) + "\"}");
        byte[] broken = utf8("\u0001".repeat(740_000));

        pipe(null, bytes);
        pipe(null, broken);

        for (var record : rejected.readRecordsToList()) {
            assertThat(record.value()).hasSizeBetween(980_000, 1_000_000);
            assertThat(json(record).has("request_bytes")).isFalse();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {-47, -1, 0, 1, 47})
    void plausibleTimestampIsCarried(long hours) throws Exception {
        long timestamp = System.currentTimeMillis() + Duration.ofHours(hours).toMillis();
        pipeTwoAndStray(timestamp, new RecordHeaders());

        var decided = approved.readRecordsToList();
        decided.addAll(rejected.readRecordsToList());

        assertThat(decided).hasSize(3).allSatisfy(record -> {
            assertThat(record.timestamp()).isEqualTo(timestamp);
            assertThat(names(record.headers())).doesNotContain("quota-timestamp");
        });
        assertThat(json(decided.get(2)).at("/source/timestamp").longValue()).isEqualTo(timestamp);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 1_700_000_000, 1_500_000_000_000L, 253_402_300_799_999L, Long.MAX_VALUE})
    void farTimestampIsReplaced(long timestamp) throws Exception {
        long before = System.currentTimeMillis();
        pipeTwoAndStray(timestamp, new RecordHeaders().add("quota-timestamp", utf8("7")));

        var decided = approved.readRecordsToList();
        decided.addAll(rejected.readRecordsToList());

        assertThat(decided).hasSize(3).allSatisfy(record -> {
            assertThat(record.timestamp()).isBetween(before, System.currentTimeMillis());
            assertThat(record.headers().headers("quota-timestamp"))
                    .extracting(header -> text(header.value()))
                    .containsExactly(Long.toString(timestamp));
        });
        assertThat(json(decided.get(2)).at("/source/timestamp").longValue()).isEqualTo(timestamp);
    }

    @Test
    void forgedOriginalTimestampIsRemoved() {
        pipeTwoAndStray(RECENT, new RecordHeaders().add("quota-timestamp", utf8("7")));

        var decided = approved.readRecordsToList();
        decided.addAll(rejected.readRecordsToList());

        assertThat(decided)
                .hasSize(3)
                .allSatisfy(record -> assertThat(names(record.headers())).doesNotContain("quota-timestamp"));
    }

    @Test
    void invalidRequestKeepsItsTimestamp() throws Exception {
        requests.pipeInput(new TestRecord<>(null, utf8("{"), new RecordHeaders(), 1_700_000_000L));

        var record = rejected.readRecord();

        assertThat(names(record.headers())).containsExactlyInAnyOrder("quota-source", "quota-decision", "quota-reason");
        assertThat(record.timestamp()).isGreaterThanOrEqualTo(RECENT);
        assertThat(json(record).at("/source/timestamp").longValue()).isEqualTo(1_700_000_000L);
    }

    /** The first is approved, the second refused, the stray approved. */
    private void pipeTwoAndStray(long timestamp, Headers headers) {
        requests.pipeInput(
                new TestRecord<>(utf8(homeAgent()), request(homeAgent(), "60"), new RecordHeaders(headers), timestamp));
        requests.pipeInput(
                new TestRecord<>(utf8(homeAgent()), request(homeAgent(), "60"), new RecordHeaders(headers), timestamp));
        requests.pipeInput(new TestRecord<>(
                utf8(strayAgent()), request(strayAgent(), "1"), new RecordHeaders(headers), timestamp));
    }

    @Test
    void strayKeepsSourceHeadersAndBucket() {
        pipe(homeAgent(), "1"); // offset 0
        requests.pipeInput(new TestRecord<>(
                utf8("somebody"),
                request(strayAgent(), "10"),
                new RecordHeaders()
                        .add("trace", utf8("1"))
                        .add("trace", utf8("2"))
                        .add("none", null),
                7L));
        pipe(strayAgent(), "10");

        var strays = approved.readRecordsToList().stream()
                .filter(record -> text(record.key()).equals(strayAgent()))
                .toList();
        assertThat(strays)
                .extracting(record -> header(record, "quota-source"))
                .containsExactly("agent-requests/0/1", "agent-requests/0/2");
        assertThat(Double.parseDouble(header(strays.get(1), "quota-remaining"))).isBetween(80.0, 81.0);
        assertThat(names(strays.get(0).headers()))
                .filteredOn(name -> name.equals("trace") || name.equals("none"))
                .containsExactly("trace", "trace", "none");
        assertThat(names(strays.get(0).headers()))
                .filteredOn("quota-source"::equals)
                .hasSize(1);
    }

    @Test
    void everyAgentsOrderIsKept() throws Exception {
        open(1000, 0);
        var agents = IntStream.range(0, 20).mapToObj(i -> "agent-" + i).toList();
        for (int i = 0; i < 2000; i++)
            pipe(i % 3 == 0 ? null : utf8("k" + i), request(agents.get(i % agents.size()), "1"));

        var records = approved.readRecordsToList();
        assertThat(records).hasSize(2000);
        for (String agent : agents) {
            assertThat(records.stream()
                            .filter(record -> text(record.key()).equals(agent))
                            .map(RequestTopologyTest::offset))
                    .hasSize(100)
                    .isSorted();
        }
    }

    @Test
    void bucketRefillsOverTime() {
        pipe(homeAgent(), "100");
        pass(Duration.ofSeconds(3));
        pipe(homeAgent(), "10");
        pass(Duration.ofHours(1));
        pipe(homeAgent(), "40");

        var remaining = approved.readRecordsToList().stream()
                .map(record -> Double.parseDouble(header(record, "quota-remaining")))
                .toList();
        assertThat(remaining.get(0)).isZero();
        assertThat(remaining.get(1)).isBetween(20.0, 25.0);
        assertThat(remaining.get(2)).as("never above the capacity").isEqualTo(60);
    }

    @Test
    void fullIdleBucketsLeaveTheStore() {
        for (int i = 0; i < 50; i++) pipe("idle-" + i, "10");
        pass(Duration.ofMinutes(2));
        pipe(homeAgent(), "10"); // just now
        assertThat(stored()).isEqualTo(51);

        driver.advanceWallClockTime(Duration.ofSeconds(11));

        assertThat(stored()).isEqualTo(1);
        pipe("idle-0", "0");
        assertThat(approved.readRecordsToList())
                .last()
                .satisfies(
                        record -> assertThat(header(record, "quota-remaining")).isEqualTo("100"));
    }

    @Test
    void spentIdleBucketStaysInTheStore() throws Exception {
        open(100, 0);
        pipe(homeAgent(), "10");
        pass(Duration.ofDays(1));

        driver.advanceWallClockTime(Duration.ofSeconds(11));
        pipe(homeAgent(), "91");

        assertThat(rejected.getQueueSize()).isEqualTo(1);
    }

    @Test
    void thousandHeadersAreCarried() {
        var headers = new RecordHeaders();
        for (int i = 0; i < 1000; i++) headers.add("h" + i, i % 2 == 0 ? null : utf8("" + i));
        requests.pipeInput(new TestRecord<>(utf8(strayAgent()), request(strayAgent(), "1"), headers, 1L));

        var carried = approved.readRecord().headers();
        for (int i = 0; i < 1000; i++) {
            assertThat(carried.lastHeader("h" + i).value()).isEqualTo(i % 2 == 0 ? null : utf8("" + i));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"*", "a}{b", "../x", "quota:other:tokens", "${jndi:x}", "__proto__", "a\\\"b\\\\"})
    void oddAgentHasItsOwnBucket(String escaped) throws Exception {
        pipe(homeAgent(), "100");
        pipe(null, request(escaped, "100"));
        pipe(null, request(escaped, "100"));

        assertThat(approved.getQueueSize()).isEqualTo(2);
        assertThat(json(rejected.readRecord()).get("agent_id").textValue())
                .isEqualTo(escaped.replaceAll("\\\\(.)", "$1"));
    }

    @Test
    void repeatedRequestIsChargedTwice() throws Exception {
        byte[] bytes = utf8("{\"request_id\":\"same\",\"agent_id\":\"" + homeAgent() + "\",\"tokens\":40}");
        open(100, 0);
        pipe(utf8(homeAgent()), bytes);
        pipe(utf8(homeAgent()), bytes);
        pipe(utf8(homeAgent()), bytes);

        assertThat(approved.getQueueSize()).isEqualTo(2);
        assertThat(rejected.getQueueSize()).isEqualTo(1);
    }

    private void pass(Duration time) {
        clock.follow(clock.getAsLong() + time.toNanos() / 1000);
    }

    /** Returns how many buckets the store holds, without the offsets that are in it too, under keys that no agent can have. */
    private long stored() {
        long count = 0;
        try (var all =
                ((BucketStore) driver.getStateStore("local-buckets")).wrapped().all()) {
            while (all.hasNext()) {
                if (all.next().key.charAt(0) != 0) count++;
            }
        }
        return count;
    }

    private void pipe(String agent, String tokens) {
        pipe(utf8(agent), request(agent, tokens));
    }

    private void pipe(byte[] key, byte[] value) {
        requests.pipeInput(new TestRecord<>(key, value, new RecordHeaders(), 0L));
    }

    private static byte[] request(String agent, String tokens) {
        return utf8("{\"agent_id\":\"" + agent + "\",\"tokens\":" + tokens + "}");
    }

    private static String homeAgent() {
        return agent(0);
    }

    private static String strayAgent() {
        return agent(1);
    }

    private static String agent(int partition) {
        return Stream.iterate(0, i -> i + 1)
                .map(i -> "agent-" + i)
                .filter(agent -> Utils.toPositive(Utils.murmur2(utf8(agent))) % PARTITIONS == partition)
                .findFirst()
                .orElseThrow();
    }

    /** Returns the rejection, after the schema that auditors rely on has taken it. */
    private static JsonNode json(TestRecord<byte[], byte[]> record) throws IOException {
        assertThat(schema().validate(text(record.value()), InputFormat.JSON)).isEmpty();
        return JSON.readTree(record.value());
    }

    private static Schema schema() throws IOException {
        return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(Files.readString(SCHEMA), InputFormat.JSON);
    }

    private static long offset(TestRecord<byte[], byte[]> record) {
        var source = header(record, "quota-source");
        return Long.parseLong(source.substring(source.lastIndexOf('/') + 1));
    }

    private static List<String> names(Headers headers) {
        return Stream.of(headers.toArray()).map(Header::key).toList();
    }

    private static String header(TestRecord<byte[], byte[]> record, String name) {
        var header = record.headers().lastHeader(name);
        assertThat(header).as(name).isNotNull();
        return text(header.value());
    }

    private static String text(byte[] bytes) {
        return new String(bytes, UTF_8);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }
}
