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
import io.tollgate.mirror.OpenHolds;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyRecords;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Without Redis; the test driver gives every topic a single partition, number 0. Buckets hold 100 tokens and never refill. */
class HoldsTopologyTest {
    private static final Path SCHEMA = Path.of("..", "schemas", "settled-request.schema.json");
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Half of all agents are strays on partition 0. */
    private static final int PARTITIONS = 2;

    private static final String AGENT = agent(0);
    private static final long RECENT = System.currentTimeMillis() - 60_000;

    @TempDir
    private Path dir;

    private final BucketClock clock = new BucketClock();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private Policies policies;
    private long policyOffset;
    private TopologyTestDriver driver;
    private TestInputTopic<byte[], byte[]> requests;
    private TestInputTopic<byte[], byte[]> reports;
    private TestOutputTopic<byte[], byte[]> approved;
    private TestOutputTopic<byte[], byte[]> rejected;
    private TestOutputTopic<byte[], byte[]> settled;

    @BeforeEach
    void open() throws Exception {
        var settings = Settings.from(
                Map.of(
                        "TOKEN_BUCKET_SIZE", "100",
                        "TOKEN_REFILL_RATE", "0",
                        "TOLLGATE_STATE_DIR", dir.resolve("state").toString(),
                        "TOLLGATE_STREAM_THREADS", "1"),
                Settings.Use.PIPELINE);
        policies = new Policies(Policy.byDefault(settings.defaultLimit()), () -> {});
        var tasks = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                PARTITIONS,
                () -> 1_000_000,
                settings.streams().exactlyOnce(),
                Optional.empty(),
                clock,
                policies,
                (topic, partition) -> topic.hashCode() * 31L + partition + 1,
                new CommittedOffsets(),
                new PipelineMetrics(registry),
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        var properties = StreamsProperties.of(settings);
        var topology =
                new RequestTopology(settings.topics(), settings.streams().applicationId(), tasks).build(properties);
        driver = new TopologyTestDriver(topology, properties);
        requests = driver.createInputTopic("agent-requests", new ByteArraySerializer(), new ByteArraySerializer());
        reports = driver.createInputTopic("agent-usage", new ByteArraySerializer(), new ByteArraySerializer());
        approved = output("approved-requests");
        rejected = output("rejected-requests");
        settled = output("settled-requests");
    }

    private TestOutputTopic<byte[], byte[]> output(String topic) {
        return driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    @AfterEach
    void close() {
        driver.close();
    }

    @Test
    void approvalNamesItsDeadline() {
        reserve(30);

        var record = approved.readRecord();
        assertThat(Long.parseLong(header(record, "quota-hold")))
                .isEqualTo(Long.parseLong(header(record, "quota-decided-at")) + 600_000_000);
        assertThat(header(record, "quota-remaining")).isEqualTo("70");
        assertThat(openHolds()).isEqualTo(1);
        assertThat(settled.isEmpty()).isTrue();
    }

    @Test
    void requestWithoutHoldOpensNone() {
        request("{\"agent_id\":\"" + AGENT + "\",\"tokens\":30,\"hold\":false}");
        request("{\"agent_id\":\"" + AGENT + "\",\"tokens\":30}");

        assertThat(approved.readRecordsToList())
                .hasSize(2)
                .allSatisfy(record -> assertThat(names(record)).doesNotContain("quota-hold"));
        assertThat(openHolds()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"true\"", "1", "null", "[]", "{}"})
    void holdOfWrongTypeIsInvalid(String hold) throws Exception {
        request("{\"agent_id\":\"" + AGENT + "\",\"hold\":" + hold + "}");

        var record = rejected.readRecord();
        assertThat(header(record, "quota-reason")).isEqualTo("invalid_request");
        assertThat(JSON.readTree(record.value()).get("detail").textValue()).isEqualTo("hold must be true or false");
    }

    @Test
    void forgedHeadersAreRemoved() {
        var forged = new RecordHeaders().add("quota-hold", utf8("9")).add("trace", utf8("t"));
        requests.pipeInput(new TestRecord<>(utf8(AGENT), utf8("{\"agent_id\":\"" + AGENT + "\"}"), forged, RECENT));
        var forgedReport = new RecordHeaders()
                .add("quota-outcome", utf8("settled"))
                .add("quota-source", utf8("agent-usage/0/99"))
                .add("trace", utf8("t"));
        reports.pipeInput(new TestRecord<>(utf8(AGENT), report(AGENT, "x", "1"), forgedReport, RECENT));

        assertThat(names(approved.readRecord())).contains("trace").doesNotContain("quota-hold");
        var record = settled.readRecord();
        assertThat(names(record)).containsExactlyInAnyOrder("trace", "quota-source", "quota-outcome");
        assertThat(header(record, "quota-source")).isEqualTo("agent-usage/0/0");
        assertThat(header(record, "quota-outcome")).isEqualTo("no_such_hold");
    }

    @Test
    void reportGivesBackTheUnusedRest() throws Exception {
        request("{\"agent_id\":\"" + AGENT + "\",\"tokens\":50,\"hold\":true,\"request_id\":\"r-1\"}");
        long openedMicros = Long.parseLong(header(approved.readRecord(), "quota-decided-at"));

        settle("agent-requests/0/0", "12.5");

        var record = settled.readRecord();
        var json = json(record);
        assertThat(record.key()).isEqualTo(utf8(AGENT));
        assertThat(record.timestamp()).isEqualTo(RECENT);
        assertThat(header(record, "quota-outcome")).isEqualTo("settled");
        assertThat(json.get("decided_at").longValue()).isBetween(openedMicros, clock.getAsLong());
        assertThat(((com.fasterxml.jackson.databind.node.ObjectNode) json).remove("decided_at"))
                .isNotNull();
        assertThat(json)
                .isEqualTo(JSON.readTree("{\"agent_id\":\"" + AGENT
                        + "\",\"hold\":\"agent-requests/0/0\",\"outcome\":\"settled\",\"reserved\":50,\"used\":12.5,\"refunded\":37.5,"
                        + "\"remaining\":87.5,\"request_id\":\"r-1\",\"decided_by\":\"local\","
                        + "\"source\":{\"topic\":\"agent-usage\",\"partition\":0,\"offset\":0,\"timestamp\":" + RECENT
                        + "}}"));
        assertThat(openHolds()).isZero();
        assertThat(approvesExactly("87.5")).isTrue();
    }

    @Test
    void reportBeforeApprovalFindsNoHold() throws Exception {
        settle("agent-requests/0/0", "1");
        reserve(50);

        var json = json(settled.readRecord());
        assertThat(json.get("outcome").textValue()).isEqualTo("no_such_hold");
        assertThat(json.get("used").intValue()).isEqualTo(1);
        assertThat(json.get("hold").textValue()).isEqualTo("agent-requests/0/0");
        assertThat(openHolds()).isEqualTo(1);
        assertThat(approvesExactly("50")).isTrue();
    }

    @Test
    void secondReportGivesNothingBack() throws Exception {
        reserve(50);
        settle("agent-requests/0/0", "10");
        settle("agent-requests/0/0", "10");

        assertThat(outcomes()).containsExactly("settled", "no_such_hold");
        assertThat(approvesExactly("90")).isTrue();
    }

    @Test
    void otherAgentsHoldStaysOpen() throws Exception {
        reserve(50);
        reports.pipeInput(new TestRecord<>(null, report(agent(0, 1), "agent-requests/0/0", "0"), null, RECENT));

        assertThat(outcomes()).containsExactly("no_such_hold");
        assertThat(openHolds()).isEqualTo(1);
        assertThat(approvesExactly("50")).isTrue();
    }

    @Test
    void refusedRequestHasNoHold() {
        reserve(101);
        settle("agent-requests/0/0", "1");

        assertThat(names(rejected.readRecord())).doesNotContain("quota-hold");
        assertThat(outcomes()).containsExactly("no_such_hold");
    }

    @Test
    void unusedHoldGivesEverythingBack() throws Exception {
        reserve(100);
        settle("agent-requests/0/0", "0");

        assertThat(json(settled.readRecord()).get("refunded").intValue()).isEqualTo(100);
        assertThat(approvesExactly("100")).isTrue();
    }

    @Test
    void emptyHoldMayBeOverrun() throws Exception {
        reserve(0);
        settle("agent-requests/0/0", "40");

        assertThat(json(settled.readRecord()).get("refunded").intValue()).isEqualTo(-40);
        assertThat(approvesExactly("60")).isTrue();
    }

    @Test
    void debtIsRepaidBeforeAnyApproval() throws Exception {
        policy("{\"capacity\":100,\"refill_rate\":10}");
        reserve(100);
        settle("agent-requests/0/0", "150");
        pass(Duration.ofMillis(5_000)); // not quite: time goes on by itself, too
        var json = json(settled.readRecord());

        assertThat(json.get("remaining").doubleValue()).isBetween(-50.0, -49.0);
        charge("5");
        assertThat(rejected.getQueueSize()).isEqualTo(1);
        pass(Duration.ofMillis(500));
        charge("5");
        assertThat(approved.getQueueSize()).isEqualTo(2);
    }

    @Test
    void refundStaysWithinCapacity() throws Exception {
        policy("{\"capacity\":100,\"refill_rate\":10}");
        reserve(50);
        pass(Duration.ofSeconds(4));
        settle("agent-requests/0/0", "0");
        policy("{\"capacity\":100,\"refill_rate\":0}");

        assertThat(json(settled.readRecord()).get("remaining").doubleValue()).isEqualTo(100);
        assertThat(approvesExactly("100")).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"charged, 50, 0, 50", "returned, 0, 50, 100"})
    void holdEndsAtItsDeadline(String unsettled, int used, int refunded, String left) throws Exception {
        holds("{\"within_s\":5,\"unsettled\":\"" + unsettled + "\"}");
        reserve(50);
        long deadlineMicros = Long.parseLong(header(approved.readRecord(), "quota-hold"));

        pass(Duration.ofMillis(4_900));
        driver.advanceWallClockTime(Duration.ofSeconds(1));
        assertThat(settled.isEmpty()).isTrue();
        pass(Duration.ofMillis(100));
        driver.advanceWallClockTime(Duration.ofSeconds(1));

        var record = settled.readRecord();
        var json = json(record);
        assertThat(record.key()).isEqualTo(utf8(AGENT));
        assertThat(names(record)).containsExactly("quota-outcome");
        assertThat(header(record, "quota-outcome")).isEqualTo("expired");
        assertThat(json.get("outcome").textValue()).isEqualTo("expired");
        assertThat(json.get("reserved").intValue()).isEqualTo(50);
        assertThat(json.get("used").intValue()).isEqualTo(used);
        assertThat(json.get("refunded").intValue()).isEqualTo(refunded);
        assertThat(json.get("decided_at").longValue()).isGreaterThanOrEqualTo(deadlineMicros);
        assertThat(openHolds()).isZero();
        assertThat(approvesExactly(left)).isTrue();
    }

    @Test
    void reportAfterTheDeadlineIsTooLate() throws Exception {
        holds("{\"within_s\":5}");
        reserve(50);
        pass(Duration.ofSeconds(5)); // the timer has not run since

        settle("agent-requests/0/0", "0");

        assertThat(outcomes()).containsExactly("expired", "no_such_hold");
        assertThat(approvesExactly("50")).isTrue();
    }

    @Test
    void openHoldsStayBelowTheMaximum() throws Exception {
        holds("{\"max_open\":2}");
        for (int i = 0; i < 3; i++) reserve(10);
        charge("1");

        var refusal = rejected.readRecord();
        var json = JSON.readTree(refusal.value());
        assertThat(header(refusal, "quota-reason"))
                .isEqualTo("too_many_open_holds")
                .isEqualTo(json.get("reason").textValue());
        assertThat(json.has("retry_after_ms")).isFalse();
        assertThat(json.has("limit")).isFalse();
        assertThat(json.get("detail").textValue()).isEqualTo("opens a hold, and as many are open as the policy allows");
        assertThat(json.get("remaining").intValue()).isEqualTo(80);
        assertThat(approved.getQueueSize()).as("what opens no hold passes").isEqualTo(3);

        settle("agent-requests/0/0", "10");
        reserve(10);
        assertThat(approved.getQueueSize()).isEqualTo(4);
        assertThat(openHolds()).isEqualTo(2);
    }

    @Test
    void expiredHoldDoesNotCountAsOpen() throws Exception {
        holds("{\"max_open\":1,\"within_s\":5}");
        reserve(10);
        pass(Duration.ofSeconds(5)); // the timer has not run since
        reserve(10);

        assertThat(approved.getQueueSize()).isEqualTo(2);
        assertThat(outcomes()).containsExactly("expired");
    }

    @Test
    void shadowHoldsOnItsOwnBucket() throws Exception {
        policy("{\"capacity\":100,\"refill_rate\":0,\"mode\":\"shadow\",\"holds\":{\"max_open\":2}}");
        reserve(90);
        reserve(90);
        reserve(1);
        reserve(1);

        var records = approved.readRecordsToList();
        assertThat(names(records.get(0))).contains("quota-hold");
        assertThat(header(records.get(1), "quota-reason")).isEqualTo("shadow:quota_exceeded");
        assertThat(names(records.get(1))).doesNotContain("quota-hold");
        assertThat(header(records.get(3), "quota-reason")).isEqualTo("shadow:too_many_open_holds");
        assertThat(names(records.get(3))).doesNotContain("quota-hold");
        policy("{\"capacity\":100,\"refill_rate\":0}");
        settle("agent-requests/0/0", "0");
        assertThat(json(settled.readRecord()).get("remaining").intValue()).isEqualTo(99);
        assertThat(approvesExactly("100")).as("what counts was not touched").isTrue();
    }

    @Test
    void offHoldsNothing() throws Exception {
        policy("{\"capacity\":100,\"refill_rate\":0,\"mode\":\"off\"}");
        reserve(50);

        assertThat(names(approved.readRecord())).doesNotContain("quota-hold");
        assertThat(openHolds()).isZero();
    }

    @Test
    void everyLimitGetsTheRestBack() throws Exception {
        policy("{\"limits\":[{\"name\":\"burst\",\"capacity\":60,\"refill_rate\":0},"
                + "{\"name\":\"month\",\"capacity\":100,\"period\":\"month\"}]}");
        reserve(60);
        settle("agent-requests/0/0", "50");
        reserve(60);
        charge("10");
        charge("1");

        assertThat(json(settled.readRecord()).get("remaining").intValue()).isEqualTo(10);
        assertThat(rejected.readRecordsToList())
                .extracting(record -> header(record, "quota-limit"))
                .containsExactly("burst", "burst");
    }

    @Test
    void strayReportKeepsItsSource() throws Exception {
        var stray = agent(1);
        request("{\"agent_id\":\"" + stray + "\",\"tokens\":50,\"hold\":true}");
        var hold = header(approved.readRecord(), "quota-source");
        reports.pipeInput(new TestRecord<>(utf8("other"), utf8("{"), null, RECENT));
        reports.pipeInput(new TestRecord<>(
                utf8("other"), report(stray, hold, "20"), new RecordHeaders().add("trace", utf8("t")), RECENT));

        var records = settled.readRecordsToList();
        var record = records.get(1);
        assertThat(hold).isEqualTo("agent-requests/0/0");
        assertThat(record.key()).isEqualTo(utf8(stray));
        assertThat(header(record, "trace")).isEqualTo("t");
        assertThat(json(record).get("outcome").textValue()).isEqualTo("settled");
        assertThat(json(record).get("source"))
                .isEqualTo(JSON.readTree(
                        "{\"topic\":\"agent-usage\",\"partition\":0,\"offset\":1,\"timestamp\":" + RECENT + "}"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                                                          | value must be a JSON object, but is empty",
                "[]                                                          | value must be a JSON object",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":1} x          | value must be JSON: broken at byte 39",
                "{\"hold\":\"h\",\"tokens\":1}                               | agent_id is missing",
                "{\"agent_id\":\"\",\"hold\":\"h\",\"tokens\":1}             | agent_id must not be empty",
                "{\"agent_id\":\"a\",\"tokens\":1}                           | hold is missing",
                "{\"agent_id\":\"a\",\"hold\":7,\"tokens\":1}                | hold must be a string",
                "{\"agent_id\":\"a\",\"hold\":\"\",\"tokens\":1}             | hold must not be empty",
                "{\"agent_id\":\"a\",\"hold\":\"h\"}                         | tokens is missing",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":\"1\"}        | tokens must be a number",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":-1}           | tokens must be a finite number from 0 to 1e12",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":2e12}         | tokens must be a finite number from 0 to 1e12",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":1,\"hold\":\"h\"} | hold must not appear twice",
            })
    void invalidReportNamesTheRule(String value, String detail) throws Exception {
        reports.pipeInput(new TestRecord<>(
                utf8("its-own-key"), utf8(value), new RecordHeaders().add("quota-source", utf8("forged")), RECENT));

        var record = settled.readRecord();
        var json = json(record);
        assertThat(record.key()).isEqualTo(utf8("its-own-key"));
        assertThat(names(record)).containsExactlyInAnyOrder("quota-source", "quota-outcome");
        assertThat(header(record, "quota-outcome")).isEqualTo("invalid_report");
        assertThat(json.get("detail").textValue()).isEqualTo(detail);
        assertThat(Base64.getDecoder().decode(json.get("report_base64").textValue()))
                .isEqualTo(utf8(value));
    }

    @Test
    void reportWithoutAValueIsInvalid() throws Exception {
        reports.pipeInput(new TestRecord<>(null, null, null, RECENT));

        var record = settled.readRecord();
        assertThat(record.key()).isNull();
        assertThat(json(record).get("report_base64").textValue()).isEmpty();
    }

    @Test
    void tooLargeReportIsNamedByItsHash() throws Exception {
        reports.pipeInput(new TestRecord<>(null, new byte[900_000], null, RECENT));

        var json = json(settled.readRecord());
        assertThat(json.get("report_bytes").intValue()).isEqualTo(900_000);
        assertThat(json.has("report_base64")).isFalse();
    }

    @Test
    void unknownFieldsAreAllowed() throws Exception {
        reserve(50);
        reports.pipeInput(new TestRecord<>(
                utf8(AGENT),
                utf8("{\"model\":{\"a\":[1]},\"agent_id\":\"" + AGENT
                        + "\",\"tokens\":1e1,\"hold\":\"agent-requests/0/0\"}"),
                null,
                RECENT));

        assertThat(json(settled.readRecord()).get("used").intValue()).isEqualTo(10);
    }

    @Test
    void settlementsAreCounted() {
        reserve(50);
        reserve(50);
        settle("agent-requests/0/0", "20");
        settle("agent-requests/0/1", "70");
        settle("agent-requests/0/2", "1");
        reports.pipeInput(new TestRecord<>(null, utf8("{"), null, RECENT));

        assertThat(counted("settled")).isEqualTo(2);
        assertThat(counted("no_such_hold")).isEqualTo(1);
        assertThat(counted("invalid_report")).isEqualTo(1);
        assertThat(registry.get("tollgate.refunded.tokens").counter().count()).isEqualTo(30);
        assertThat(registry.get("tollgate.overrun.tokens").counter().count()).isEqualTo(20);
    }

    private double counted(String outcome) {
        return registry.get("tollgate.settlements")
                .tag("outcome", outcome)
                .counter()
                .count();
    }

    /** Returns whether the bucket covers so much and not a token more. */
    private boolean approvesExactly(String tokens) throws Exception {
        approved.readRecordsToList();
        rejected.readRecordsToList();
        charge(new java.math.BigDecimal(tokens).add(java.math.BigDecimal.ONE).toPlainString());
        charge(tokens);
        return rejected.getQueueSize() == 1 && approved.getQueueSize() == 1;
    }

    private List<String> outcomes() {
        return settled.readRecordsToList().stream()
                .map(record -> header(record, "quota-outcome"))
                .toList();
    }

    private void pass(Duration time) {
        clock.follow(clock.getAsLong() + time.toNanos() / 1000);
    }

    private void holds(String json) {
        policy("{\"capacity\":100,\"refill_rate\":0,\"holds\":" + json + "}");
    }

    private void policy(String json) {
        PolicyRecords.apply(policies, policyOffset++, 0, AGENT, json);
    }

    private long openHolds() {
        long count = 0;
        try (var all = driver.<String, byte[]>getKeyValueStore(OpenHolds.STORE).all()) {
            for (; all.hasNext(); all.next()) count++;
        }
        return count;
    }

    private void reserve(double tokens) {
        request("{\"agent_id\":\"" + AGENT + "\",\"tokens\":" + tokens + ",\"hold\":true}");
    }

    private void charge(String tokens) {
        request("{\"agent_id\":\"" + AGENT + "\",\"tokens\":" + tokens + "}");
    }

    private void request(String json) {
        requests.pipeInput(new TestRecord<>(null, utf8(json), null, RECENT));
    }

    private void settle(String hold, String tokens) {
        reports.pipeInput(new TestRecord<>(utf8(AGENT), report(AGENT, hold, tokens), null, RECENT));
    }

    private static byte[] report(String agent, String hold, String tokens) {
        return utf8("{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":" + tokens + "}");
    }

    private static String agent(int partition) {
        return agent(partition, 0);
    }

    private static String agent(int partition, int skip) {
        return Stream.iterate(0, i -> i + 1)
                .map(i -> "agent-" + i)
                .filter(agent -> Utils.toPositive(Utils.murmur2(utf8(agent))) % PARTITIONS == partition)
                .skip(skip)
                .findFirst()
                .orElseThrow();
    }

    /** Returns the settlement, after the schema that auditors rely on has taken it. */
    private static JsonNode json(TestRecord<byte[], byte[]> record) throws IOException {
        assertThat(schema().validate(text(record.value()), InputFormat.JSON)).isEmpty();
        return JSON.readTree(record.value());
    }

    private static Schema schema() throws IOException {
        return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(Files.readString(SCHEMA), InputFormat.JSON);
    }

    private static List<String> names(TestRecord<byte[], byte[]> record) {
        return Stream.of(record.headers().toArray()).map(Header::key).toList();
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
