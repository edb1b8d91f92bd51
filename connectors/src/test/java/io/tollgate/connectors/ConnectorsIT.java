package io.tollgate.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.awaitility.core.ThrowingRunnable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * From an agent's request to an auditor's row, and from an operator's row to the policies topic. All tests share one
 * world, because it is expensive.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ConnectorsIT {
    private static final Duration LONG = Duration.ofSeconds(120);
    private static final String ROWS = "SELECT count(*) FROM quota_audit.rejected_requests";

    private static World world;

    @BeforeAll
    static void start() throws Exception {
        world = new World(Map.of("TOKEN_BUCKET_SIZE", "10", "TOKEN_REFILL_RATE", "0"));
        world.worker.loadAll();
    }

    @AfterAll
    static void stop() throws Exception {
        if (world != null) world.close();
    }

    @Test
    @Order(1)
    void everyRejectionIsOneRow() throws Exception {
        for (int i = 0; i < 20; i++) {
            world.request(
                    "greedy", "{\"request_id\":\"g-" + i + "\",\"agent_id\":\"greedy\",\"tokens\":1,\"n\":" + i + "}");
        }
        world.request("greedy", "{\"agent_id\":\"greedy\",\"tokens\":1000}");
        world.request(
                "nul", "{\"agent_id\":\"nul\",\"tokens\":1000,\"request_id\":\"\\u0000\",\"x\":\"\\u0000\\ud800\"}");
        world.request("bad", "{\"agent_id\":7}");
        world.request("bad", "no JSON at all \u0000");

        eventually(() -> assertThat(world.count(ROWS)).isEqualTo(14));

        assertThat(world.count(
                        ROWS + " WHERE reason = 'quota_exceeded' AND agent_id = 'greedy' AND request ->> 'n' >= '10'"))
                .isEqualTo(10);
        assertThat(world.count(ROWS + " WHERE reason = 'cost_exceeds_capacity' AND retry_after_ms IS NULL"))
                .isEqualTo(2);
        assertThat(world.asAuditor("SELECT request_text FROM quota_audit.rejected_requests WHERE agent_id = 'nul'"))
                .contains("{\"agent_id\":\"nul\",\"tokens\":1000,\"request_id\":\"\\u0000\",\"x\":\"\\u0000\\ud800\"}");
        assertThat(world.count(ROWS + " WHERE decode(request_base64, 'base64') = '{\"agent_id\":7}'::bytea"))
                .isOne();
        assertThat(world.count(ROWS + " WHERE decode(request_base64, 'base64') = 'no JSON at all \\000'::bytea"))
                .isOne();
        assertThat(world.asAuditor("SELECT agent_id FROM quota_audit.most_throttled_agents"))
                .contains("greedy");
        assertThat(world.count("SELECT sum(requests) FROM quota_audit.invalid_by_source"))
                .isEqualTo(2);
        assertThat(world.count("SELECT sum(rejections) FROM quota_audit.rejections_by_reason"))
                .isEqualTo(14);
    }

    /** The ten that 'greedy' had tokens for, and one that says no cost and holds what jsonb cannot. */
    @Test
    @Order(2)
    void approvalsCountOnceInTheirHour() throws Exception {
        world.request("nul", "{\"agent_id\":\"n\\u0075l\",\"x\":\"\\u0000\\ud800\"}");
        world.request("nul", "{\"agent_id\":\"nul\",\"tokens\":2.5}");

        eventually(() -> assertThat(world.count("SELECT sum(approvals) FROM quota_audit.approvals_per_hour"))
                .isEqualTo(12));

        assertThat(world.asAuditor(
                        "SELECT sum(approvals) || ' ' || sum(tokens) || ' ' || bool_and(hour > now() - interval '2 hours')"
                                + " FROM quota_audit.approvals_per_hour WHERE agent_id = 'nul'"))
                .contains("2 3.5 true");
        assertThat(world.asAuditor("SELECT sum(approvals) || ' ' || sum(tokens_approved) || ' ' || sum(refusals) || ' '"
                        + " || sum(tokens_refused) FROM quota_audit.decisions_per_hour WHERE agent_id = 'greedy'"))
                .contains("10 10 11 1010");
    }

    @Test
    @Order(3)
    void everyEventIsOneRow() throws Exception {
        var examples = ConnectorFile.schemas("examples/valid", "quota-event.");
        for (int round = 0; round < 2; round++) {
            for (Path example : examples)
                world.publish("quota-events", "agent-7", Files.readAllBytes(example), Map.of());
        }

        eventually(() -> assertThat(
                        world.count("SELECT count(*) FROM quota_audit.quota_events WHERE agent_id = 'agent-7'"))
                .isEqualTo(examples.size()));
        assertThat(world.count(
                        "SELECT count(*) FROM quota_audit.quota_events WHERE at = timestamptz '2026-01-01 00:00:00.123456+00'"
                                + " AND agent_id = 'agent-7'"))
                .isEqualTo(examples.size());
    }

    @Test
    @Order(3)
    void everySettlementIsOneRow() throws Exception {
        var examples = ConnectorFile.schemas("examples/valid", "settled-request.");
        for (Path example : examples)
            world.publish(
                    "settled-requests",
                    "agent-7",
                    Files.readAllBytes(example),
                    Map.of(
                            "quota-outcome",
                            ConnectorFile.json(example).path("outcome").asText()));
        world.publish("settled-requests", "x", "not ours".getBytes(StandardCharsets.UTF_8), Map.of());

        eventually(() -> assertThat(world.count("SELECT count(*) FROM quota_audit.settled_requests"))
                .isEqualTo(examples.size()));
        eventually(
                () -> assertThat(values("settled-requests-audit-dead-letters")).containsExactly("not ours"));
    }

    @Test
    @Order(4)
    void badRecordsAreDeadLetters() throws Exception {
        world.publish("rejected-requests", "x", "{\"not\":\"ours\"}".getBytes(StandardCharsets.UTF_8), Map.of());
        world.publish("quota-events", "x", "no JSON".getBytes(StandardCharsets.UTF_8), Map.of());
        world.publish("quota-events", "x", "{\"event\":\"near_limit\"}".getBytes(StandardCharsets.UTF_8), Map.of());
        world.publish(
                "rejected-requests",
                "x",
                "{}".getBytes(StandardCharsets.UTF_8),
                Map.of("quota-source", "agent-requests/0/0"));
        long before = world.count(ROWS);
        world.request("greedy", "{\"agent_id\":\"greedy\"}");

        eventually(() -> {
            assertThat(values("rejected-requests-audit-dead-letters")).containsExactly("{\"not\":\"ours\"}");
            assertThat(values("quota-events-audit-dead-letters"))
                    .containsExactlyInAnyOrder("no JSON", "{\"event\":\"near_limit\"}");
            assertThat(world.count(ROWS)).isEqualTo(before + 1);
            assertThat(world.count("SELECT count(*) FROM quota_audit.unreadable_records"))
                    .isOne();
        });
    }

    @Test
    @Order(5)
    void policyRowsReachTheTopic() throws Exception {
        world.asOperator("INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate, note)"
                + " VALUES ('sql-1', 100, 1, 'trial'), ('*', 10, 0, NULL)");
        eventually(() -> assertThat(lastPolicy("sql-1"))
                .isEqualTo("{\"mode\": \"enforce\", \"note\": \"trial\", \"capacity\": 100, \"refill_rate\": 1}"));
        assertThat(lastPolicy("*")).isEqualTo("{\"mode\": \"enforce\", \"capacity\": 10, \"refill_rate\": 0}");

        world.asOperator("UPDATE quota_admin.agent_quotas SET capacity = 50, note = NULL WHERE agent_id = 'sql-1'");
        eventually(() -> assertThat(lastPolicy("sql-1"))
                .isEqualTo("{\"mode\": \"enforce\", \"capacity\": 50, \"refill_rate\": 1}"));

        world.asOperator("UPDATE quota_admin.agent_quotas SET agent_id = 'sql-2' WHERE agent_id = 'sql-1'");
        eventually(() -> {
            assertThat(lastPolicy("sql-1")).isEqualTo("deleted");
            assertThat(lastPolicy("sql-2")).contains("50");
        });

        world.asOperator("DELETE FROM quota_admin.agent_quotas");
        eventually(() -> {
            assertThat(lastPolicy("sql-2")).isEqualTo("deleted");
            assertThat(lastPolicy("*")).isEqualTo("deleted");
        });
        assertThat(world.read("agent-quotas"))
                .as("who changed them, deletions too")
                .hasSizeGreaterThanOrEqualTo(7)
                .allSatisfy(policy -> assertThat(
                                policy.headers().lastHeader("changed-by").value())
                        .isEqualTo("connector".getBytes(StandardCharsets.UTF_8)));
        eventually(() -> assertThat(changes("sql-1"))
                .containsExactly(
                        "policy_set connector {\"mode\": \"enforce\", \"note\": \"trial\", \"capacity\": 100, \"refill_rate\": 1}",
                        "policy_set connector {\"mode\": \"enforce\", \"capacity\": 50, \"refill_rate\": 1}",
                        "policy_deleted connector "));
    }

    /** Writers of policies may write anything, and must not be able to stop the audit. */
    @Test
    @Order(6)
    void oddPolicyRecordsAreKept() throws Exception {
        byte[] policy = "{\"capacity\":1,\"refill_rate\":0}".getBytes(StandardCharsets.UTF_8);
        world.publish("agent-quotas", "odd", "no JSON".getBytes(StandardCharsets.UTF_8), Map.of());
        world.publish("agent-quotas", "nul \u0000", policy, Map.of());
        world.publish("agent-quotas", "odd", policy, Map.of("changed-by", "\u0000"));
        world.publish("agent-quotas", "odd", policy, Map.of());
        world.publish("agent-quotas", "odd", policy, Map.of("changed-by", "cli:me@here"));

        eventually(() -> assertThat(changes("odd"))
                .containsExactly(
                        "policy_set  {\"capacity\": 1, \"refill_rate\": 0}",
                        "policy_set cli:me@here {\"capacity\": 1, \"refill_rate\": 0}"));

        assertThat(world.count(
                        "SELECT count(*) FROM quota_audit.unreadable_records WHERE kafka_topic = 'agent-quotas'"))
                .isEqualTo(3);
        for (ConsumerRecord<byte[], byte[]> change : world.read("agent-quotas")) {
            if (!new String(change.key(), StandardCharsets.UTF_8).equals("sql-1")) continue;
            assertThat(world.count("SELECT extract(epoch FROM changed_at) * 1000 FROM quota_audit.policy_changes"
                            + " WHERE kafka_offset = " + change.offset()))
                    .isEqualTo(change.timestamp());
        }
    }

    @Tag("faults")
    @Test
    @Order(7)
    void crashesKeepOneRowForEachRejection() throws Exception {
        long before = world.count(ROWS);
        refuse(world, "a", 100);
        world.postgres.kill();
        assertThat(world.postgres.isAlive()).isFalse();
        refuse(world, "b", 100);
        world.postgres.restart();
        eventually(() -> {
            // A task that was committing when PostgreSQL died has failed: Debezium takes that for a final error.
            world.worker.restartFailed();
            assertThat(world.count(ROWS)).isEqualTo(before + 200);
        });

        refuse(world, "c", 100);
        world.worker.kill();
        assertThat(world.worker.isAlive()).isFalse();
        refuse(world, "d", 100);
        world.worker.restart();
        eventually(() -> assertThat(world.count(ROWS)).isEqualTo(before + 400));

        assertThat(sources()).isEqualTo(rejectedSources());
        world.asOperator(
                "INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate) VALUES ('after', 7, 0)");
        eventually(() -> assertThat(lastPolicy("after")).contains("7"));
    }

    /** 'sql-obeyed' has used up the default of 10, and the row gives it 1000 at 1000 per second. */
    @Test
    @Order(8)
    void pipelineObeysSqlWithinSeconds() throws Exception {
        world.asOperator(
                "INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate) VALUES ('sql-obeyed', 1000, 1000)");
        eventually(() -> assertThat(decision(500)).isEqualTo("approved"));

        world.asOperator("UPDATE quota_admin.agent_quotas SET capacity = 400 WHERE agent_id = 'sql-obeyed'");
        eventually(() -> assertThat(decision(500)).isEqualTo("rejected"));

        world.asOperator("DELETE FROM quota_admin.agent_quotas WHERE agent_id = 'sql-obeyed'");
        eventually(() -> assertThat(decision(300)).isEqualTo("rejected"));
    }

    /** Asks for so many tokens and returns what the pipeline said. */
    private static String decision(int tokens) throws Exception {
        String id = java.util.UUID.randomUUID().toString();
        world.request(
                "sql-obeyed", "{\"agent_id\":\"sql-obeyed\",\"tokens\":" + tokens + ",\"request_id\":\"" + id + "\"}");
        var decided = new java.util.concurrent.atomic.AtomicReference<String>();
        await().atMost(LONG).pollInterval(Duration.ofMillis(200)).until(() -> {
            for (String topic : java.util.List.of("approved-requests", "rejected-requests")) {
                for (ConsumerRecord<byte[], byte[]> one : world.read(topic)) {
                    if (new String(one.value(), StandardCharsets.UTF_8).contains(id)) {
                        decided.set(new String(
                                one.headers().lastHeader("quota-decision").value(), StandardCharsets.UTF_8));
                    }
                }
            }
            return decided.get() != null;
        });
        return decided.get();
    }

    static void refuse(World world, String prefix, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            world.request("greedy", "{\"agent_id\":\"greedy\",\"request_id\":\"" + prefix + "-" + i + "\"}");
        }
    }

    private static TreeSet<String> sources() throws Exception {
        var sources = new TreeSet<String>();
        try (var connection = world.database.connect("auditor");
                var statement = connection.createStatement();
                var rows =
                        statement.executeQuery("SELECT source_topic || '/' || source_partition || '/' || source_offset"
                                + " FROM quota_audit.rejected_requests")) {
            while (rows.next()) sources.add(rows.getString(1));
        }
        return sources;
    }

    /** What the pipeline really rejected, less the record that this test forged. */
    private static TreeSet<String> rejectedSources() throws Exception {
        var sources = new TreeSet<String>();
        for (ConsumerRecord<byte[], byte[]> rejected : world.read("rejected-requests")) {
            var header = rejected.headers().lastHeader("quota-source");
            if (header != null && rejected.value().length > 2)
                sources.add(new String(header.value(), StandardCharsets.UTF_8));
        }
        return sources;
    }

    private static java.util.List<String> changes(String agent) throws Exception {
        var changes = new java.util.ArrayList<String>();
        try (var connection = world.database.connect("auditor");
                var statement = connection.createStatement();
                var rows = statement.executeQuery(
                        "SELECT concat_ws(' ', change, coalesce(changed_by, ''), coalesce(policy::text, ''))"
                                + " FROM quota_audit.changes WHERE agent_id = '" + agent + "' ORDER BY changed_at")) {
            while (rows.next()) changes.add(rows.getString(1));
        }
        return changes;
    }

    private static java.util.List<String> values(String topic) throws Exception {
        return world.read(topic).stream()
                .map(dead -> new String(dead.value(), StandardCharsets.UTF_8))
                .toList();
    }

    private static String lastPolicy(String agent) throws Exception {
        String last = "none";
        for (ConsumerRecord<byte[], byte[]> policy : world.read("agent-quotas")) {
            if (!new String(policy.key(), StandardCharsets.UTF_8).equals(agent)) continue;
            last = policy.value() == null ? "deleted" : new String(policy.value(), StandardCharsets.UTF_8);
        }
        return last;
    }

    private static void eventually(ThrowingRunnable assertion) {
        await().atMost(LONG)
                .pollInterval(Duration.ofMillis(300))
                .ignoreExceptionsInstanceOf(java.sql.SQLException.class)
                .untilAsserted(assertion);
    }
}
