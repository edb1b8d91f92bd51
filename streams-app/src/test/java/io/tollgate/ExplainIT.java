package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyTopic;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** {@code tollgate explain} on the decisions of a real pipeline. */
class ExplainIT {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    void decisionsAreExplained() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis().withLimit(100, 0);
                var topic = new PolicyTopic(cluster.settings());
                var application = cluster.start();
                KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of());
                var decisions = new Decisions(cluster)) {
            topic.put("acme/*", policy(10, 2), "cli:mia@laptop");
            topic.put("acme/*", policy(20, 2), "api:10.0.3.17");
            var first = ask(cluster, producer, "acme/a", 15, "one");
            decisions.await(1, application);
            var second = ask(cluster, producer, "acme/a", 15, "twö \"quoted\"");
            decisions.await(2, application);
            var third = ask(cluster, producer, "acme/a", 1, "one");
            var large = ask(cluster, producer, "acme/a", 21, "large");
            var solo = ask(cluster, producer, "solo", 30, "solo");
            var broken = send(cluster, producer, "solo", "{\"agent_id\":\"solo\",\"tokens\":\"10\"}");
            decisions.await(6, application);

            var approved = explain(cluster, first);
            assertThat(approved.get("decision").textValue()).isEqualTo("approved");
            assertThat(approved.get("before").doubleValue()).isEqualTo(20);
            assertThat(approved.get("remaining").doubleValue()).isEqualTo(5);
            assertThat(approved.get("policy").textValue()).isEqualTo("acme/*@0/1");
            assertThat(approved.get("policy_history"))
                    .extracting(change -> change.get("changed_by").textValue())
                    .containsExactly("cli:mia@laptop", "api:10.0.3.17");
            assertThat(approved.get("next"))
                    .extracting(next -> next.get("source").textValue())
                    .containsExactly(second, third, large);
            assertThat(approved.get("next"))
                    .extracting(next -> next.get("decision").textValue())
                    .containsExactly("rejected", "approved", "rejected");

            var refused = cluster.command("explain", second);
            assertThat(refused.exitCode()).isZero();
            assertThat(refused.output())
                    .containsPattern(
                            "acme/a asked for 15 tokens at 20\\S+Z and was refused\\. Only [0-9.]+ tokens were left\\.")
                    .containsPattern(
                            "The policy acme/\\*@0/1 decided \\(20 at once, 2/s, enforce\\), which api:10\\.0\\.3\\.17 wrote at 20\\S+Z\\.")
                    .containsPattern("would have been covered [0-9.]+ s later")
                    .containsPattern("Its next request was approved [0-9.]+ s later\\.")
                    .containsPattern("bucket before +[5-9][0-9.]* tokens\n")
                    .containsPattern("decided by +redis\n")
                    .contains("What the policies topic holds of acme/*:\nWHEN ", "What came next:\nREQUEST ");
            assertThat(explain(cluster, large).get("explained").textValue())
                    .contains("more than the bucket ever holds", "Nothing came next.");
            assertThat(cluster.command("explain", solo).output())
                    .contains("No policy applied to it, so the default did: 100 at once, 0/s.")
                    .contains("The bucket held 100 tokens, and 70 tokens were left.");
            assertThat(cluster.command("explain", broken).output())
                    .contains("What stood at " + broken + " was not a request")
                    .contains("tokens must be a number");

            var newest = JSON.readTree(
                    cluster.command("explain", "--request-id", "one", "--json").output());
            assertThat(newest.get("source").textValue()).isEqualTo(third);
            assertThat(newest.get("alike").intValue()).isEqualTo(1);
            assertThat(cluster.command("explain", "--request-id", "twö \"quoted\"")
                            .output())
                    .contains("request id", second);
        }
    }

    @Test
    void shadowAndCalendarsAreExplained() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis();
                var topic = new PolicyTopic(cluster.settings());
                var application = cluster.start();
                KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of());
                var decisions = new Decisions(cluster)) {
            topic.put("trial", policy(Mode.SHADOW, new Limit(10, 0)), "cli:mia@laptop");
            topic.put("free", policy(Mode.OFF, new Limit(10, 0)), "cli:mia@laptop");
            topic.put("monthly", policy(Mode.ENFORCE, Limit.each(Period.MONTH, "UTC", 10)), "cli:mia@laptop");
            await("the policies").atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
                var before = decisions.poll().size();
                ask(cluster, producer, "monthly", 0, "policy?");
                decisions.await(before + 1, application);
                assertThat(decisions.poll().get(before).header("quota-policy")).isEqualTo("monthly@0/2");
            });
            int before = decisions.poll().size();
            var charged = ask(cluster, producer, "trial", 4, "charged");
            var shadowed = ask(cluster, producer, "trial", 7, "shadowed");
            var free = ask(cluster, producer, "free", 1000, "free");
            var monthly = ask(cluster, producer, "monthly", 7, "monthly");
            var refused = ask(cluster, producer, "monthly", 7, "refused");
            decisions.await(before + 5, application);

            assertThat(cluster.command("explain", charged).output())
                    .contains("was approved. The bucket held 10 tokens, and 6 tokens were left.");
            assertThat(cluster.command("explain", shadowed).output())
                    .contains("was approved. Only 6 tokens were left; its policy is a trial, in shadow mode, and")
                    .containsPattern("reason +shadow:quota_exceeded\n")
                    .containsPattern("bucket before +6 tokens\n")
                    .doesNotContain("would have been covered");
            assertThat(cluster.command("explain", free).output())
                    .contains(
                            "was approved. Its policy is off: it approves everything, and there is no bucket. The policy")
                    .doesNotContain("bucket before", "bucket after", "local copy", "were left");
            var freeJson = explain(cluster, free);
            assertThat(freeJson.get("decision").textValue()).isEqualTo("approved");
            assertThat(freeJson.get("before").isNull()).isTrue();
            assertThat(cluster.command("explain", monthly).output())
                    .contains("The bucket held 10 tokens, and 3 tokens were left.");
            assertThat(cluster.command("explain", refused).output())
                    .contains("Only 3 tokens were left. The policy monthly@0/2 decided (10 each month in UTC, enforce)")
                    .containsPattern(
                            "would have been covered (\\d+ d \\d+ h|\\d+ h \\d+ min|\\d+ min \\d+ s|[0-9.]+ s) later")
                    .doesNotContainPattern("covered \\d{3,}");
        }
    }

    @Test
    void missingDecisionsAreExplained() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            var undecided = ask(cluster, producer, "a", 1, "r-1");
            var requests = cluster.requestsTopic();

            assertThat(cluster.command("explain", undecided))
                    .isEqualTo(
                            new Ended(
                                    1,
                                    undecided
                                            + " is not decided yet, or its decision is not on the topics any more: `tollgate verify` says what is pending\n"));
            assertThat(cluster.command("explain", requests + "/0/99999"))
                    .satisfies(missing -> assertThat(missing.exitCode()).isEqualTo(1))
                    .satisfies(missing -> assertThat(missing.output()).contains("/0/99999 is not published"));
            assertThat(cluster.command("explain", requests + "/77/0").output())
                    .isEqualTo("topic " + requests + " has no partition 77\n");
            assertThat(cluster.command("explain", "--request-id", "r-1"))
                    .satisfies(missing -> assertThat(missing.exitCode()).isEqualTo(1))
                    .satisfies(
                            missing -> assertThat(missing.output()).startsWith("no decision on the topics is about"));
            assertThat(cluster.command("explain", "nothing").exitCode()).isEqualTo(2);
            assertThat(cluster.command("explain").exitCode()).isEqualTo(2);
            assertThat(cluster.command("explain", undecided, "--request-id", "r-1")
                            .exitCode())
                    .isEqualTo(2);
        }
    }

    private static JsonNode explain(TestCluster cluster, String source) throws Exception {
        return JSON.readTree(cluster.command("explain", source, "--json").output());
    }

    private static PolicyDocument policy(double capacity, double refill) {
        return policy(Mode.ENFORCE, new Limit(capacity, refill));
    }

    private static PolicyDocument policy(Mode mode, Limit limit) {
        return new PolicyDocument(mode, List.of(NamedLimit.only(limit)), Optional.empty());
    }

    /** Returns the request's {@code quota-source}. */
    private static String ask(
            TestCluster cluster, KafkaProducer<byte[], byte[]> producer, String agent, double tokens, String id)
            throws Exception {
        return send(
                cluster,
                producer,
                agent,
                JSON.writeValueAsString(Map.of("agent_id", agent, "tokens", tokens, "request_id", id)));
    }

    private static String send(TestCluster cluster, KafkaProducer<byte[], byte[]> producer, String agent, String value)
            throws Exception {
        var record = new ProducerRecord<>(cluster.requestsTopic(), agent.getBytes(UTF_8), value.getBytes(UTF_8));
        var place = producer.send(record).get();
        return place.topic() + "/" + place.partition() + "/" + place.offset();
    }
}
