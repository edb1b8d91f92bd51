package io.tollgate.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.tollgate.sandbox.process.PostgresServer;
import io.tollgate.sandbox.process.QuotaDatabase;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The database of {@code connectors/sql}: how it stores the examples in {@code schemas/}, and the rights of its roles.
 */
class QuotaDatabaseIT {
    /** Columns that are not in the rejection: where it stands, when it came, and the request where jsonb cannot hold it. */
    private static final List<String> OUR_OWN =
            List.of("kafka_topic", "kafka_partition", "kafka_offset", "recorded_at", "request_text");

    private static PostgresServer postgres;
    private static QuotaDatabase database;
    private static int nextOffset;

    @BeforeAll
    static void start() {
        postgres = PostgresServer.start();
        database = QuotaDatabase.prepare(postgres);
    }

    @AfterAll
    static void stop() {
        postgres.close();
    }

    @Test
    void everyFieldHasItsColumn() throws Exception {
        for (var pair : Map.of(
                        "rejected-request",
                        "rejected_requests",
                        "quota-event",
                        "quota_events",
                        "settled-request",
                        "settled_requests")
                .entrySet()) {
            JsonNode schema =
                    ConnectorFile.json(ConnectorFile.ROOT.resolve("schemas/" + pair.getKey() + ".schema.json"));
            var expected = new TreeSet<String>();
            schema.path("properties").fieldNames().forEachRemaining(name -> expected.add(column(name)));
            expected.remove("source");
            JsonNode source = schema.path("properties").path("source").has("properties")
                    ? schema.path("properties").path("source")
                    : schema.path("$defs").path("source");
            source.path("properties").fieldNames().forEachRemaining(name -> expected.add("source_" + name));

            var columns = new TreeSet<String>();
            try (var connection = database.connect("auditor");
                    var rows = connection.getMetaData().getColumns(null, "quota_audit", pair.getValue(), null)) {
                while (rows.next()) columns.add(rows.getString("COLUMN_NAME"));
            }
            columns.removeAll(OUR_OWN);

            assertThat(columns).as(pair.getValue()).isEqualTo(expected);
        }
    }

    private static String column(String field) {
        return field.equals("limit") ? "limit_name" : field; // limit is a word of SQL
    }

    static List<Path> validRejections() {
        return ConnectorFile.schemas("examples/valid", "rejected-request.");
    }

    @ParameterizedTest
    @MethodSource("validRejections")
    void repeatedRejectionIsOneFullRow(Path example) throws Exception {
        var rejection = (ObjectNode) ConnectorFile.json(example);
        int offset = nextOffset++;
        ((ObjectNode) rejection.path("source")).put("offset", offset);
        byte[] bytes = ConnectorFile.JSON.writeValueAsBytes(rejection);

        deliver(bytes, offset);
        deliver(bytes, offset + 1_000_000);

        Map<String, @Nullable Object> row = row("source_offset = " + offset);
        for (var field : rejection.properties()) {
            JsonNode expected = field.getValue();
            Object actual = row.get(column(field.getKey()));
            switch (field.getKey()) {
                case "source" -> {
                    assertThat(row.get("source_topic"))
                            .isEqualTo(expected.path("topic").textValue());
                    assertThat(row.get("source_partition"))
                            .isEqualTo(expected.path("partition").intValue());
                    assertThat(row.get("source_timestamp"))
                            .isEqualTo(time(expected.path("timestamp").longValue() * 1000));
                }
                case "decided_at" -> assertThat(actual).isEqualTo(time(expected.longValue()));
                case "request" ->
                    assertThat(ConnectorFile.JSON.readTree(String.valueOf(actual)))
                            .isEqualTo(expected);
                case "retry_after_ms", "request_bytes" -> assertThat(actual).isEqualTo(expected.longValue());
                case "tokens", "remaining", "capacity", "refill_rate" ->
                    assertThat(actual).isEqualTo(expected.doubleValue());
                default -> assertThat(actual).as(field.getKey()).isEqualTo(expected.textValue());
            }
        }
        for (var column : row.entrySet()) {
            boolean given = rejection.has(column.getKey().equals("limit_name") ? "limit" : column.getKey())
                    || column.getKey().startsWith("source_")
                    || OUR_OWN.contains(column.getKey()) && !column.getKey().equals("request_text");
            assertThat(column.getValue() != null).as(column.getKey()).isEqualTo(given);
        }
        assertThat(row.get("kafka_offset")).isEqualTo((long) offset);
    }

    private static OffsetDateTime time(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS).atOffset(java.time.ZoneOffset.UTC);
    }

    /** Each is legal JSON that an agent may send, and none fits into jsonb. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"a\",\"x\":\"\\u0000\"}",
                "{\"agent_id\":\"a\",\"\\u0000\":1}",
                "{\"agent_id\":\"a\",\"x\":\"\\ud800\"}",
                "{\"agent_id\":\"a\",\"x\":\"\\\\\\u0000 \\\\u0000 \\ud83d\\ude00 \uE000\"}",
                "{\"agent_id\":\"a\",\"x\":1e999999999}"
            })
    void requestUnfitForJsonbIsKeptAsText(String request) throws Exception {
        int offset = nextOffset++;

        deliver(rejection(offset, "a", "r-1", request), offset);

        Map<String, @Nullable Object> row = row("source_offset = " + offset);
        assertThat(row.get("request")).isNull();
        assertThat(row.get("request_text")).isEqualTo(request);
        assertThat(row.get("agent_id")).isEqualTo("a");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "*",
                "a}{b",
                "'; DROP TABLE x; --",
                "${jndi:x}",
                "日本語",
                "\uD83D\uDE00",
                "e\u0301",
                "\u202Eabc",
                "\\\\u0000"
            })
    void oddAgentIdIsUnchanged(String agent) throws Exception {
        int offset = nextOffset++;
        String quoted = agent.equals("\\\\u0000")
                ? agent
                : ConnectorFile.JSON.writeValueAsString(agent).replaceAll("^\"|\"$", "");
        String id = agent.equals("\\\\u0000") ? "\\u0000" : agent;

        deliver(rejection(offset, quoted, "r-1", "{\"agent_id\":\"" + quoted + "\"}"), offset);

        assertThat(row("source_offset = " + offset).get("agent_id")).isEqualTo(id);
    }

    @Test
    void escapedNulIsKept() throws Exception {
        int offset = nextOffset++;

        deliver(rejection(offset, "a", "r\\u0000-1", "{\"agent_id\":\"a\"}"), offset);

        assertThat(row("source_offset = " + offset).get("request_id")).isEqualTo("r\\u0000-1");
    }

    @Test
    void largestRejectionIsARow() throws Exception {
        int offset = nextOffset++;
        String deep = "[".repeat(990) + "]".repeat(990);

        deliver(
                rejection(
                        offset,
                        "a",
                        "r",
                        "{\"agent_id\":\"a\",\"d\":" + deep + ",\"x\":\"" + "y".repeat(950_000) + "\"}"),
                offset);

        assertThat(row("source_offset = " + offset).get("request")).isNotNull();
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE, Long.MIN_VALUE, 253_402_300_799_999L, -1, 0})
    void anyTimestampIsARow(long timestamp) throws Exception {
        int offset = nextOffset++;
        String json = new String(rejection(offset, "a", "r", "{\"agent_id\":\"a\"}"), StandardCharsets.UTF_8);

        deliver(json.replace("\"timestamp\":0", "\"timestamp\":" + timestamp).getBytes(StandardCharsets.UTF_8), offset);

        assertThat(row("source_offset = " + offset).get("agent_id")).isEqualTo("a");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "no JSON", "{}", "[]", "null", "{\"source\":{\"partition\":\"x\"}}", "\u0000"})
    void unreadableRecordIsKeptAside(String record) throws Exception {
        int offset = nextOffset++;

        deliver(record.getBytes(StandardCharsets.UTF_8), offset);

        assertThat(rows(
                        "SELECT convert_from(record, 'SQL_ASCII') FROM quota_audit.unreadable_records WHERE kafka_offset = "
                                + offset + " AND position('\\x00'::bytea in record) = 0"))
                .isEqualTo(record.contains("\u0000") ? 0 : 1);
        assertThat(rows("SELECT 1 FROM quota_audit.unreadable_records WHERE kafka_offset = " + offset))
                .isOne();
    }

    /** A worker that dies before it commits its offsets reads the same records again. */
    @Test
    void repeatedApprovalsCountOnce() throws Exception {
        approve("{\"agent_id\":\"twice\",\"tokens\":3}", 0, 7);
        approve("{\"agent_id\":\"twice\"}", 0, 8);
        approve("{\"agent_id\":\"twice\",\"tokens\":3}", 0, 7);
        approve("{\"agent_id\":\"twice\"}", 0, 8);
        approve("no JSON", 0, 9);
        approve("{\"agent_id\":\"twice\",\"tokens\":0.5}", 0, 10);

        assertThat(rows(
                        "SELECT 1 FROM quota_audit.approvals_per_hour WHERE agent_id = 'twice' AND approvals = 3 AND tokens = 4.5"
                                + " AND hour = '2026-01-01 00:00+00'"))
                .isOne();
        assertThat(rows("SELECT 1 FROM quota_audit.unreadable_records WHERE kafka_topic = 'approved-requests'"))
                .isOne();
    }

    @Test
    void spentIsWhatWasNotGivenBack() throws Exception {
        approve("{\"agent_id\":\"holds\",\"tokens\":2000}", 1, 20);
        approve("{\"agent_id\":\"holds\",\"tokens\":500}", 1, 21);
        var settlement =
                "{\"agent_id\":\"holds\",\"hold\":\"agent-requests/3/1\",\"outcome\":\"%s\",\"reserved\":%s,\"used\":%s,"
                        + "\"refunded\":%s,\"remaining\":1,\"decided_by\":\"redis\",\"decided_at\":1767225600123456}";
        for (int round = 0; round < 2; round++) {
            settle(settlement.formatted("settled", 2000, 812, 1188), 1);
            settle(settlement.formatted("expired", 500, 500, 0), 2);
            settle(
                    "{\"agent_id\":\"holds\",\"hold\":\"\\u0000\",\"outcome\":\"no_such_hold\",\"source\":{\"topic\":\"agent-usage\","
                            + "\"partition\":0,\"offset\":1,\"timestamp\":-1}}",
                    3);
            settle("no JSON", 4);
        }

        assertThat(rows("SELECT 1 FROM quota_audit.settled_requests WHERE agent_id = 'holds'"))
                .isEqualTo(3);
        assertThat(rows("SELECT 1 FROM quota_audit.settled_requests WHERE hold = '\\u0000' AND source_offset = 1"))
                .isOne();
        assertThat(rows("SELECT 1 FROM quota_audit.spent_by_agent_and_hour WHERE agent_id = 'holds' AND charged = 2500"
                        + " AND refunded = 1188 AND spent = 1312 AND settled = 1 AND expired = 1"))
                .isOne();
        assertThat(rows("SELECT 1 FROM quota_audit.unreadable_records WHERE kafka_topic = 'settled-requests'"))
                .isOne();
    }

    @Test
    void everySettlementIsARow() throws Exception {
        var examples = ConnectorFile.schemas("examples/valid", "settled-request.");
        for (int i = 0; i < examples.size(); i++) settle(Files.readString(examples.get(i)), 1000 + i);

        assertThat(rows("SELECT 1 FROM quota_audit.settled_requests WHERE kafka_offset >= 1000"))
                .isEqualTo(examples.size());
    }

    private static void settle(String settlement, int kafkaOffset) throws SQLException {
        try (Connection connection = database.connect("quota_audit_writer");
                var statement = connection.prepareStatement(
                        "INSERT INTO quota_audit.settled_requests_inbox VALUES (?, 'settled', 'settled-requests', 0, ?)")) {
            statement.setBytes(1, settlement.getBytes(StandardCharsets.UTF_8));
            statement.setInt(2, kafkaOffset);
            statement.executeUpdate();
        }
    }

    private static void approve(String request, int kafkaPartition, int kafkaOffset) throws SQLException {
        try (Connection connection = database.connect("quota_audit_writer");
                var statement = connection.prepareStatement("INSERT INTO quota_audit.approved_requests_inbox"
                        + " VALUES (?, 'agent-requests/3/1', '1767225600123456', 'approved-requests', ?, ?)")) {
            statement.setBytes(1, request.getBytes(StandardCharsets.UTF_8));
            statement.setInt(2, kafkaPartition);
            statement.setInt(3, kafkaOffset);
            statement.executeUpdate();
        }
    }

    @Test
    void rolesCanOnlyDoTheirWork() {
        for (String[] attempt : new String[][] {
            {"quota_audit_writer", "SELECT * FROM quota_audit.rejected_requests"},
            {"quota_audit_writer", "DELETE FROM quota_audit.rejected_requests"},
            {"quota_audit_writer", "UPDATE quota_audit.rejected_requests SET reason = 'x'"},
            {"quota_audit_writer", "INSERT INTO quota_audit.unreadable_records VALUES ('t', 0, 0, 's', '', 'p')"},
            {"quota_audit_writer", "UPDATE quota_audit.approvals_per_hour SET approvals = 0"},
            {"quota_audit_writer", "TABLE quota_audit.approvals_counted"},
            {"quota_audit_writer", "DELETE FROM quota_audit.policy_changes"},
            {"quota_audit_writer", "TABLE quota_admin.agent_quotas"},
            {"quota_admin_source", "TABLE quota_admin.agent_quotas"},
            {"quota_admin_source", "DELETE FROM quota_admin.agent_quotas"},
            {"quota_admin_source", "TABLE quota_audit.rejected_requests"},
            {"auditor", "DELETE FROM quota_audit.rejected_requests"},
            {"auditor", "INSERT INTO quota_audit.rejected_requests_inbox VALUES ('', 's', 't', 0, 0)"},
            {"auditor", "TABLE quota_admin.agent_quotas"},
            {"operator", "TABLE quota_audit.rejected_requests"},
            {
                "operator",
                "INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate, policy) VALUES ('a', 1, 1, '{}')"
            },
            {"operator", "TRUNCATE quota_admin.agent_quotas"},
        }) {
            assertThatThrownBy(() -> execute(attempt[0], attempt[1]))
                    .as(attempt[0] + ": " + attempt[1])
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("permission denied");
        }
    }

    @Test
    void auditorsQueriesWork() throws Exception {
        String all = Files.readString(ConnectorFile.FOLDER.resolve("sql/queries.sql"));
        int run = 0;
        for (String query : all.split(";\\s*\n")) {
            if (query.isBlank()) continue;
            rows(query);
            run++;
        }
        assertThat(run).isEqualTo(12);
    }

    /** Grafana's macros and variables aside: those it fills in. */
    @Test
    void dashboardQueriesWork() throws Exception {
        JsonNode dashboard = ConnectorFile.json(ConnectorFile.ROOT.resolve("deploy/grafana/dashboards/agent.json"));
        var queries = dashboard.findValuesAsText("rawSql");
        queries.add(dashboard.at("/templating/list/1/query").asText());

        assertThat(queries).hasSizeGreaterThan(7).doesNotContain("");
        for (String query : queries) {
            rows(query.replaceAll("\\$__timeGroupAlias\\((\\w+), [^)]*\\)", "date_trunc('minute', $1) AS \"time\"")
                    .replaceAll("\\$__timeFilter\\((\\w+)\\)", "$1 BETWEEN now() - interval '1 hour' AND now()")
                    .replace("${agent:sqlstring}", "'greedy'"));
        }
    }

    static List<Path> validPolicies() {
        return ConnectorFile.schemas("examples/valid", "agent-quota.");
    }

    static List<Path> invalidPolicies() {
        return ConnectorFile.schemas("examples/invalid", "agent-quota.");
    }

    @ParameterizedTest
    @MethodSource("validPolicies")
    void policyColumnHoldsTheSame(Path example) throws Exception {
        var policy = (ObjectNode) ConnectorFile.json(example);
        insertPolicy(example.getFileName().toString(), policy);

        try (var connection = database.connect("operator");
                var statement =
                        connection.prepareStatement("SELECT policy FROM quota_admin.agent_quotas WHERE agent_id = ?")) {
            statement.setString(1, example.getFileName().toString());
            var rows = statement.executeQuery();
            rows.next();
            String written = rows.getString(1);
            Schema schema = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                    .getSchema(Files.readString(ConnectorFile.ROOT.resolve("schemas/agent-quota.schema.json")));
            assertThat(schema.validate(written, InputFormat.JSON)).isEmpty();
            if (!policy.has("mode")) policy.put("mode", "enforce");
            assertThat(ConnectorFile.JSON.readTree(written).equals(new Numbers(), policy))
                    .as(written)
                    .isTrue();
        }
    }

    /** Only those that the table's columns could express at all: no unknown field, no text where a number stands. */
    @ParameterizedTest
    @MethodSource("invalidPolicies")
    void invalidPolicyIsRefused(Path example) {
        JsonNode policy = ConnectorFile.json(example);
        assertThatThrownBy(() -> insertPolicy("bad", policy))
                .isInstanceOfAny(SQLException.class, UnsupportedOperationException.class);
    }

    /** 10 and 10.0 are the same number. */
    private static final class Numbers implements java.util.Comparator<JsonNode> {
        @Override
        public int compare(JsonNode one, JsonNode other) {
            if (one.isNumber() && other.isNumber()) return one.decimalValue().compareTo(other.decimalValue());
            return one.equals(other) ? 0 : 1;
        }
    }

    private static final Set<String> JSON_COLUMNS = Set.of("limits", "holds");

    private static void insertPolicy(String agent, JsonNode policy) throws SQLException {
        var columns = List.of("capacity", "refill_rate", "period", "zone", "limits", "holds", "mode", "note");
        var given = new TreeSet<String>();
        if (!policy.isObject()) throw new UnsupportedOperationException("not a row");
        policy.fieldNames().forEachRemaining(given::add);
        if (!columns.containsAll(given)) throw new UnsupportedOperationException("no such column");
        String marks = given.stream()
                .map(name -> JSON_COLUMNS.contains(name) ? ", ?::jsonb" : ", ?")
                .reduce("", String::concat);
        String sql = "INSERT INTO quota_admin.agent_quotas (agent_id"
                + given.stream().map(name -> ", " + name).reduce("", String::concat) + ") VALUES (?" + marks + ")";
        try (var connection = database.connect("operator");
                var statement = connection.prepareStatement(sql)) {
            statement.setString(1, agent);
            int index = 2;
            for (String name : given) {
                JsonNode value = policy.path(name);
                if (name.equals("capacity") || name.equals("refill_rate")) {
                    if (value.isNull()) statement.setNull(index++, Types.DOUBLE);
                    else if (value.isNumber()) statement.setDouble(index++, value.doubleValue());
                    else throw new UnsupportedOperationException("no number");
                } else if (JSON_COLUMNS.contains(name)) {
                    statement.setString(index++, value.toString());
                } else {
                    if (!value.isTextual() && !value.isNull()) throw new UnsupportedOperationException("no text");
                    statement.setString(index++, value.textValue());
                }
            }
            statement.executeUpdate();
        }
    }

    private static byte[] rejection(int offset, String agent, String requestId, String request) {
        return ("{\"request_id\":\"" + requestId + "\",\"agent_id\":\"" + agent
                        + "\",\"tokens\":4,\"reason\":\"quota_exceeded\",\"detail\":\"d\",\"remaining\":1,\"capacity\":10,"
                        + "\"refill_rate\":0,\"decided_by\":\"redis\",\"decided_at\":1767225600123456,"
                        + "\"source\":{\"topic\":\"agent-requests\",\"partition\":3,\"offset\":" + offset
                        + ",\"timestamp\":0},\"request\":" + request + "}")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** As the connector does it. */
    private static void deliver(byte[] record, int kafkaOffset) throws SQLException {
        try (Connection connection = database.connect("quota_audit_writer");
                var statement = connection.prepareStatement(
                        "INSERT INTO quota_audit.rejected_requests_inbox VALUES (?, 'agent-requests/3/1', 'rejected-requests', 0, ?)")) {
            statement.setBytes(1, record);
            statement.setLong(2, kafkaOffset);
            statement.executeUpdate();
        }
    }

    private static Map<String, @Nullable Object> row(String where) throws SQLException {
        try (var connection = database.connect("auditor");
                var statement = connection.createStatement();
                var rows = statement.executeQuery("SELECT * FROM quota_audit.rejected_requests WHERE " + where)) {
            assertThat(rows.next()).as("a row where " + where).isTrue();
            var row = new HashMap<String, @Nullable Object>();
            for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
                boolean time = rows.getMetaData().getColumnTypeName(i).equals("timestamptz");
                boolean json = rows.getMetaData().getColumnTypeName(i).equals("jsonb");
                Object value =
                        time ? rows.getObject(i, OffsetDateTime.class) : json ? rows.getString(i) : rows.getObject(i);
                row.put(rows.getMetaData().getColumnName(i), value);
            }
            assertThat(rows.next()).as("a second row where " + where).isFalse();
            return row;
        }
    }

    private static int rows(String query) throws SQLException {
        try (var connection = database.connect("auditor");
                var statement = connection.createStatement();
                var rows = statement.executeQuery(query)) {
            int count = 0;
            while (rows.next()) count++;
            return count;
        }
    }

    private static void execute(String role, String sql) throws SQLException {
        try (var connection = database.connect(role);
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
