package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyTopic;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code tollgate policy} as a user runs it, on a real broker. */
@Order(1) // long, and one after the other
class PolicyCommandIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path dir;

    @Test
    void policyIsSetReadAndDeleted() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(70, 7)) {
            var set = cluster.command(
                    "policy", "set", "agent 7", "--capacity", "50", "--refill-rate", "2.5", "--note", "why not");
            assertThat(set).isEqualTo(new Ended(0, "agent 7@0/0: 50 at once, 2.5/s, enforce (why not)\n"));
            var everybody = cluster.command(
                    "policy", "set", "*", "--limit", "burst:100:10", "--limit", "day:5e4:0.58", "--mode", "shadow");
            assertThat(everybody.output())
                    .isEqualTo("*@0/1: burst 100 at once, 10/s and day 50000 at once, 0.58/s, shadow\n");
            putRaw(cluster, "agent 7", "{\"capacity\":-1,\"refill_rate\":1}");
            putRaw(cluster, "broken", "no");

            var own = json(cluster.command("policy", "get", "agent 7", "--json"));
            assertThat(own.toString())
                    .isEqualTo(
                            "{\"agent_id\":\"agent 7\",\"policy\":\"agent 7@0/0\",\"source\":\"own\",\"capacity\":50,"
                                    + "\"refill_rate\":2.5,\"mode\":\"enforce\",\"limits\":[{\"capacity\":50,\"refill_rate\":2.5}],"
                                    + "\"note\":\"why not\",\"ignored\":{\"policy\":\"agent 7@0/2\","
                                    + "\"mistake\":\"capacity must be above 0 and at most 1e12\"}}");
            var other = cluster.command("policy", "get", "other");
            assertThat(other.exitCode()).isZero();
            assertThat(other.output())
                    .containsPattern("policy +\\*@0/1\n")
                    .containsPattern("source +the policy of everybody")
                    .containsPattern("capacity day +50000 tokens\n");
            var list = json(cluster.command("policy", "list", "--json"));
            assertThat(list)
                    .extracting(policy -> policy.get("agent_id").textValue())
                    .containsExactly("*", "agent 7", "broken");
            assertThat(list.get(2).toString())
                    .contains("\"policy\":\"broken@0/3\"")
                    .doesNotContain("capacity");
            assertThat(cluster.command("policy", "list").output().lines())
                    .satisfiesExactly(
                            line -> assertThat(line).matches("AGENT +POLICY +MODE +LIMITS +NOTE"),
                            line -> assertThat(line).startsWith("*        *@0/1        shadow   burst 100 at once"),
                            line -> assertThat(line)
                                    .startsWith("agent 7  agent 7@0/0  enforce  50 at once")
                                    .contains("ignored agent 7@0/2"),
                            line -> assertThat(line).startsWith("broken   -").contains("ignored broken@0/3"));

            assertThat(cluster.command("policy", "delete", "agent 7").output())
                    .startsWith("deleted agent 7: 50 at once");
            assertThat(cluster.command("policy", "delete", "*").exitCode()).isZero();
            var byDefault = json(cluster.command("policy", "get", "agent 7", "--json"));
            assertThat(byDefault.get("policy").textValue()).isEqualTo("default");
            assertThat(byDefault.get("source").textValue()).isEqualTo("default");
            assertThat(byDefault.get("capacity").intValue()).isEqualTo(70);
            assertThat(cluster.command("policy", "delete", "agent 7"))
                    .isEqualTo(new Ended(0, "agent 7 has no policy of its own\n"));
        }
    }

    @Test
    void loadShowsTheDifferenceFirst() throws IOException {
        try (var cluster = TestCluster.onSharedBroker();
                var topic = new PolicyTopic(cluster.settings())) {
            var one = policy(10, 1);
            topic.write(Map.of("same", one, "other", one, "changes", one), "test");
            var file = Files.writeString(
                            dir.resolve("policies.yaml"),
                            "same: {capacity: 10, refill_rate: 1}\nchanges: {capacity: 20, refill_rate: 1}\n\"*\": {capacity: 5, refill_rate: 5}\n")
                    .toString();

            var shown = cluster.command("policy", "load", file, "--dry-run", "--delete-others");
            assertThat(shown).isEqualTo(new Ended(0, """
                            unchanged  same
                            changed    changes: 10 at once, 1/s, enforce -> 20 at once, 1/s, enforce
                            added      *: 5 at once, 5/s, enforce
                            removed    other: 10 at once, 1/s, enforce
                            would be 1 added, 1 changed, 1 removed, 1 unchanged; nothing was written
                            """));
            assertThat(topic.read().keySet()).containsExactly("changes", "other", "same");

            assertThat(cluster.command("policy", "set", "same", "--capacity", "11", "--refill-rate", "1", "--dry-run"))
                    .isEqualTo(new Ended(0, """
                            changed    same: 10 at once, 1/s, enforce -> 11 at once, 1/s, enforce
                            nothing was written
                            """));
            assertThat(cluster.command("policy", "delete", "other", "--dry-run"))
                    .isEqualTo(new Ended(0, """
                            removed    other: 10 at once, 1/s, enforce
                            nothing was written
                            """));
            assertThat(cluster.command("policy", "get", "same", "-o", "json").output())
                    .isEqualTo(
                            cluster.command("policy", "get", "same", "--json").output())
                    .contains("\"capacity\" : 10");

            assertThat(cluster.command("policy", "load", file).output())
                    .isEqualTo("1 added, 1 changed, 0 removed, 1 unchanged\n");
            assertThat(topic.read().keySet()).containsExactly("*", "changes", "other", "same");
            assertThat(cluster.command("policy", "load", file, "--delete-others")
                            .output())
                    .isEqualTo("0 added, 0 changed, 1 removed, 3 unchanged\n");
            assertThat(topic.read().keySet()).containsExactly("*", "changes", "same");

            var wrong =
                    Files.writeString(dir.resolve("wrong.yaml"), "good: {capacity: 1, refill_rate: 1}\na: {}\nb: 1\n");
            var refused = cluster.command("policy", "load", wrong.toString());
            assertThat(refused.exitCode()).isEqualTo(1);
            assertThat(refused.output())
                    .isEqualTo("line 2: a: capacity is missing\nline 3: b: value must be a JSON object\n");
            assertThat(topic.read().keySet()).as("nothing was written").containsExactly("*", "changes", "same");
        }
    }

    @Test
    void diffShowsWhatLoadWouldChange() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var topic = new PolicyTopic(cluster.settings())) {
            var one = policy(10, 1);
            topic.write(Map.of("same", one, "other", one, "changes", one), "test");
            putRaw(cluster, "broken", "no");
            var file = Files.writeString(
                            dir.resolve("repository.yaml"),
                            "same: {capacity: 10, refill_rate: 1}\nchanges: {capacity: 20, refill_rate: 1}\nbroken: {capacity: 1, refill_rate: 1}\nnew/*: {capacity: 5, refill_rate: 5}\n")
                    .toString();

            var shown = cluster.command("policy", "diff", file);
            assertThat(shown).isEqualTo(new Ended(0, """
                            changed    changes: 10 at once, 1/s, enforce -> 20 at once, 1/s, enforce
                            changed    broken: broken@0/3 is ignored: value must be JSON: broken at character 0 -> 1 at once, 1/s, enforce
                            added      new/*: 5 at once, 5/s, enforce
                            load would make: 1 added, 2 changed, 0 removed, 1 unchanged
                            """));
            var all = cluster.command("policy", "diff", file, "--delete-others", "--exit-code");
            assertThat(all.exitCode()).isEqualTo(1);
            assertThat(all.output())
                    .contains(
                            "removed    other: 10 at once, 1/s, enforce\n",
                            "load would make: 1 added, 2 changed, 1 removed, 1 unchanged\n");
            assertThat(topic.read().keySet()).as("nothing was written").doesNotContain("new/*");

            cluster.command("policy", "load", file, "--delete-others");
            assertThat(cluster.command("policy", "diff", file, "--delete-others", "--exit-code"))
                    .isEqualTo(new Ended(0, "no difference\n"));
            var exported = Files.writeString(
                            dir.resolve("exported.yaml"),
                            cluster.command("policy", "export").output())
                    .toString();
            assertThat(cluster.command("policy", "diff", exported, "--delete-others", "--exit-code"))
                    .isEqualTo(new Ended(0, "no difference\n"));
        }
    }

    @Test
    void historySaysWhoChangedIt() throws Exception {
        try (var cluster = TestCluster.onSharedBroker()) {
            assertThat(cluster.command("policy", "history", "@ops"))
                    .isEqualTo(new Ended(
                            0, "the topic holds no policy of @ops\nno policy applies to it, so the default does\n"));
            cluster.command("policy", "set", "@ops", "--capacity", "5", "--refill-rate", "1");
            cluster.command("policy", "set", "@ops2", "--capacity", "6", "--refill-rate", "1");
            putRaw(cluster, "@ops", "{\"capacity\":-1,\"refill_rate\":1}");
            cluster.command("policy", "delete", "@ops");
            var file = Files.writeString(
                    dir.resolve("p.yaml"), "'@ops': {capacity: 7, refill_rate: 1, note: \"a\\tb\"}\n");
            cluster.command("policy", "load", file.toString());

            var me = "cli:" + System.getProperty("user.name") + "@\\S+";
            assertThat(cluster.command("policy", "history", "@ops").output().lines())
                    .satisfiesExactly(
                            line -> assertThat(line).matches("WHEN +POLICY +BY +WHAT"),
                            line -> assertThat(line).matches("20\\S+Z  @ops@0/0  " + me + "  5 at once, 1/s, enforce"),
                            line -> assertThat(line)
                                    .matches("20\\S+Z  @ops@0/2  - +@ops@0/2 is ignored: capacity must be .*"),
                            line -> assertThat(line).matches("20\\S+Z  @ops@0/3  " + me + "  deleted"),
                            line -> assertThat(line)
                                    .matches("20\\S+Z  @ops@0/4  " + me + "  7 at once, 1/s, enforce \\(a b\\)"));
            var json = json(cluster.command("policy", "history", "@ops", "--json"));
            assertThat(json).hasSize(4);
            assertThat(json)
                    .extracting(change -> change.get("change").textValue())
                    .containsExactly("set", "ignored", "deleted", "set");
            assertThat(json.get(0).get("changed_by").textValue()).matches(me);
            assertThat(json.get(1).get("changed_by").isNull()).isTrue();
            assertThat(json.get(3).get("document").toString())
                    .isEqualTo("{\"capacity\":7,\"refill_rate\":1,\"mode\":\"enforce\",\"note\":\"a\\tb\"}");
        }
    }

    @Test
    void historyNamesTheMatchingPrefix() throws Exception {
        try (var cluster = TestCluster.onSharedBroker()) {
            cluster.command("policy", "set", "acme/*", "--capacity", "5", "--refill-rate", "1");
            cluster.command("policy", "set", "acme/a", "--capacity", "6", "--refill-rate", "1");
            assertThat(cluster.command("policy", "history", "acme/a").output().lines())
                    .hasSize(2);
            cluster.command("policy", "delete", "acme/a");
            cluster.command("policy", "set", "--capacity", "7", "--refill-rate", "1", "--", "-o'b*");

            var hint = "acme/*@0/0 applies to it: tollgate policy history 'acme/*'";
            assertThat(cluster.command("policy", "history", "acme/b"))
                    .isEqualTo(new Ended(0, "the topic holds no policy of acme/b\n" + hint + "\n"));
            assertThat(cluster.command("policy", "history", "acme/a").output())
                    .containsPattern("deleted\\n")
                    .endsWith(hint + "\n");
            assertThat(cluster.command("policy", "history", "acme/b", "--json")).isEqualTo(new Ended(0, "[ ]\n"));
            assertThat(cluster.command("policy", "history", "--", "-o'b1").output())
                    .endsWith("-o'b*@0/3 applies to it: tollgate policy history -- '-o'\\''b*'\n");
        }
    }

    @Test
    void exportAndListLoadUnchanged() throws Exception {
        try (var from = TestCluster.onSharedBroker();
                var to = TestCluster.onSharedBroker();
                var third = TestCluster.onSharedBroker()) {
            assertThat(from.command("policy", "export")).isEqualTo(new Ended(0, "{}\n"));
            from.command("policy", "set", "@ops", "--capacity", "5", "--refill-rate", "0.25", "--note", "näh: #1");
            from.command("policy", "set", "--limit", "a:1:1", "--limit", "b:2:2", "--mode", "off", "--", "-x");
            from.command("policy", "set", "*", "--capacity", "1e12", "--refill-rate", "0");
            from.command("policy", "set", " 42 ", "--capacity", "1", "--refill-rate", "0");

            var exported = from.command("policy", "export").output();
            var file = Files.writeString(dir.resolve("all.yaml"), exported).toString();
            var list = Files.writeString(
                            dir.resolve("all.json"),
                            from.command("policy", "list", "--json").output())
                    .toString();

            assertThat(to.command("policy", "load", file).output())
                    .isEqualTo("4 added, 0 changed, 0 removed, 0 unchanged\n");
            assertThat(to.command("policy", "export").output()).isEqualTo(exported);
            assertThat(to.command("policy", "load", list, "--delete-others").output())
                    .isEqualTo("0 added, 0 changed, 0 removed, 4 unchanged\n");
            assertThat(third.command("policy", "load", list).output()).startsWith("4 added");
            assertThat(third.command("policy", "export").output()).isEqualTo(exported);

            putRaw(from, "@ops", "no");
            putRaw(from, "broken", "no");
            var warned = from.command("policy", "export");
            assertThat(warned.exitCode()).isZero();
            assertThat(warned.output())
                    .contains(
                            exported,
                            "warning: broken@0/5 cannot be read (value must be JSON: broken at character 0): it is left out\n",
                            "the policy before it is exported\n");
        }
    }

    @Test
    void thousandsAreSentTogether() {
        try (var cluster = TestCluster.onSharedBroker();
                var topic = new PolicyTopic(cluster.settings())) {
            var many = new LinkedHashMap<String, PolicyDocument>();
            for (int i = 1; i <= 20_000; i++) many.put("agent-" + i, policy(i, 1));

            long start = System.nanoTime();
            var names = topic.write(many, "test");

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SOON);
            assertThat(names).hasSize(20_000).containsEntry("agent-1", "agent-1@0/0");
            assertThat(topic.read())
                    .hasSize(20_000)
                    .allSatisfy((agentId, stored) ->
                            assertThat(stored.good().orElseThrow().document()).isEqualTo(many.get(agentId)));
        }
    }

    @Test
    void missingTopicNamesItsCommand() {
        try (var cluster = TestCluster.on(TestCluster.sharedBroker())) {
            var said = "topic " + cluster.settings().topics().policies()
                    + " does not exist: create it with `tollgate topics create`\n";

            assertThat(cluster.command("policy", "list")).isEqualTo(new Ended(1, said));
            assertThat(cluster.command("policy", "set", "a", "--capacity", "1", "--refill-rate", "1"))
                    .isEqualTo(new Ended(1, said));
        }
    }

    @Test
    void missingBrokerIsOneLine() {
        try (var cluster = TestCluster.on("127.0.0.1:1")) {
            var ended = cluster.command("policy", "set", "a", "--capacity", "1", "--refill-rate", "1");

            assertThat(ended.exitCode()).isEqualTo(1);
            assertThat(ended.output().lines().filter(line -> line.contains("Kafka does not answer")))
                    .as(ended.output())
                    .hasSize(1);
            assertThat(ended.output()).doesNotContain("\tat ");
        }
    }

    private static PolicyDocument policy(double capacity, double refillRate) {
        return new PolicyDocument(
                Mode.ENFORCE, List.of(NamedLimit.only(new Limit(capacity, refillRate))), Optional.empty());
    }

    private static void putRaw(TestCluster cluster, String key, String value) throws Exception {
        try (var producer = cluster.producer(Map.of())) {
            producer.send(new ProducerRecord<>(
                            cluster.settings().topics().policies(), key.getBytes(UTF_8), value.getBytes(UTF_8)))
                    .get();
        }
    }

    private static JsonNode json(Ended ended) throws JsonProcessingException {
        assertThat(ended.exitCode()).as(ended.output()).isZero();
        return JSON.readTree(ended.output());
    }
}
