package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.BucketClock;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Policies that change while requests flow. */
@Execution(ExecutionMode.CONCURRENT)
class PolicyIT {
    private static final String AGENT = "agent-0";

    /** Publishes policies. */
    private static final class Quotas implements AutoCloseable {
        private final BucketClock clock = new BucketClock();
        private final String topic;
        private final KafkaProducer<byte[], byte[]> producer;

        Quotas(TestCluster cluster) {
            topic = cluster.settings().topics().policies();
            producer = cluster.producer(Map.of());
        }

        private long acknowledgedMicros;

        /** Returns the policy's name once the broker has it; null deletes. */
        String set(String agent, String json) {
            try {
                var value = json == null ? null : json.replace('\'', '"').getBytes(UTF_8);
                var at = producer.send(new ProducerRecord<>(topic, agent.getBytes(UTF_8), value))
                        .get();
                acknowledgedMicros = clock.getAsLong();
                return agent + "@" + at.partition() + "/" + at.offset();
            } catch (InterruptedException | ExecutionException e) {
                throw new AssertionError(e);
            }
        }

        /** Checks that no more than a second lies between the broker's acknowledgement of the last policy and this decision by it. */
        Decisions.Seen obeyedWithinASecond(Decisions.Seen decision) {
            assertThat(decision.decidedAtMicros() - acknowledgedMicros)
                    .as("microseconds until %s was obeyed", decision.header("quota-policy"))
                    .isLessThan(1_000_000);
            return decision;
        }

        @Override
        public void close() {
            producer.close();
        }
    }

    @Test
    void changesCountWithinASecond() throws Exception {
        changesCountWithinASecond(true);
    }

    @Tag("faults")
    @Test
    void changesCountWithinASecond_withoutRedis() throws Exception {
        changesCountWithinASecond(false);
    }

    private static void changesCountWithinASecond(boolean withRedis) throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(1000, 0);
                var quotas = new Quotas(cluster)) {
            if (withRedis) cluster.with("REDIS_URL", redis.uri());
            var before = quotas.set(AGENT, "{'capacity':900,'refill_rate':0}");
            try (var application = cluster.start();
                    var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster)) {
                var more = new AtomicBoolean(true);
                var traffic = requests.keepSending(1, 1, 20, more::get);

                assertThat(awaitPolicy(decisions, before, 0).remaining()).isBetween(800.0, 899.0);
                var cut = quotas.set(AGENT, "{'capacity':50,'refill_rate':0}");
                assertThat(quotas.obeyedWithinASecond(awaitPolicy(decisions, cut, 0))
                                .remaining())
                        .isLessThan(50);
                quotas.set(AGENT, "{'capacity':'a lot','refill_rate':0}");
                var raised = quotas.set(AGENT, "{'capacity':5000,'refill_rate':0}");
                assertThat(quotas.obeyedWithinASecond(awaitPolicy(decisions, raised, 0))
                                .remaining())
                        .isLessThan(50);
                assertThat(TestCluster.metric(application, "tollgate_policies_refused_total"))
                        .isEqualTo(1);
                await().atMost(Duration.ofSeconds(30))
                        .until(() -> last(decisions).approved(), is -> !is);

                var shadow = quotas.set(AGENT, "{'capacity':5,'refill_rate':0,'mode':'shadow'}");
                quotas.obeyedWithinASecond(awaitPolicy(decisions, shadow, 0));
                await().atMost(Duration.ofSeconds(30))
                        .until(() ->
                                "shadow:quota_exceeded".equals(last(decisions).header("quota-reason")));
                assertThat(last(decisions).approved()).isTrue();
                var off = quotas.set(AGENT, "{'capacity':5,'refill_rate':0,'mode':'off'}");
                assertThat(quotas.obeyedWithinASecond(awaitPolicy(decisions, off, 0))
                                .approved())
                        .isTrue();
                var several = quotas.set(
                        AGENT,
                        "{'limits':[{'name':'burst','capacity':9000,'refill_rate':9000},{'name':'day','capacity':7,'refill_rate':0}]}");
                quotas.obeyedWithinASecond(awaitPolicy(decisions, several, 0));
                // The burst limit was also empty when its rate began to count.
                await().atMost(Duration.ofSeconds(30))
                        .until(() -> last(decisions).header("quota-limit").equals("day"));
                assertThat(last(decisions).remaining()).isZero();
                var json = Decisions.json(last(decisions).record().value());
                assertThat(json.get("limit").asText()).isEqualTo("day");
                assertThat(json.get("capacity").asDouble()).isEqualTo(7);
                var everybody = quotas.set("*", "{'capacity':3000,'refill_rate':0}");
                var prefix = quotas.set("agent-*", "{'capacity':3000,'refill_rate':0}");
                quotas.set(AGENT, null);
                quotas.obeyedWithinASecond(awaitPolicy(decisions, prefix, 0));
                quotas.set("agent-*", null);
                quotas.obeyedWithinASecond(awaitPolicy(decisions, everybody, 0));
                quotas.set("*", null);
                quotas.obeyedWithinASecond(
                        awaitPolicy(decisions, "default", decisions.poll().size()));

                more.set(false);
                traffic.get();
                decisions.await(requests.published().size(), application);
                decisions.conserve(requests.published());
                decisions.keepOrder();
                Verdict.of(cluster, Duration.ofSeconds(30)).clean();
            }
        }
    }

    @Tag("faults")
    @Test
    void changesAndFaultsKeepEveryPromise() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(30, 8).with("REDIS_URL", redis.uri());
                var quotas = new Quotas(cluster);
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            quotas.set("*", "{'capacity':25,'refill_rate':6}");
            var more = new AtomicBoolean(true);
            var traffic = requests.keepSending(10, 1, 20, more::get);
            try (var application = cluster.start()) {
                change(quotas, decisions, 0);
                redis.kill();
                change(quotas, decisions, 1);
                redis.restart();
                change(quotas, decisions, 2);
                application.kill();
            }
            try (var application = cluster.start()) {
                change(quotas, decisions, 3);
                more.set(false);
                traffic.get();
                decisions.await(requests.published().size(), application);
                decisions.conserve(requests.published());
                decisions.keepOrder();
                assertThat(application.isAlive()).isTrue();
                Verdict.of(cluster, Duration.ofSeconds(30)).clean();
            }
        }
    }

    @Test
    void slowPoliciesDelayTheStart() throws Exception {
        int agents = 20;
        try (var cluster = TestCluster.onSharedBroker().withLimit(1000, 0);
                var quotas = new Quotas(cluster);
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            cluster.start().close();
            for (int agent = 0; agent < agents; agent++) {
                quotas.set("agent-" + agent, "{'capacity':7,'refill_rate':0}");
                requests.send("agent-" + agent, 1, agent);
            }
            requests.published();
            // Reads one batch each 0.3 s: the broker waits for more bytes than there are.
            var slow = Map.of(
                    "KAFKA_CONSUMER_FETCH_MIN_BYTES", "1000000",
                    "KAFKA_CONSUMER_FETCH_MAX_WAIT_MS", "300",
                    "KAFKA_CONSUMER_MAX_PARTITION_FETCH_BYTES", "1",
                    "KAFKA_MAIN_CONSUMER_FETCH_MIN_BYTES", "1",
                    "KAFKA_RESTORE_CONSUMER_FETCH_MIN_BYTES", "1");
            long start = System.nanoTime();
            try (var application = cluster.start(slow)) {
                assertThat(TestCluster.metric(application, "tollgate_policies")).isEqualTo(agents);
                assertThat(System.nanoTime() - start)
                        .as("slow enough to prove something")
                        .isGreaterThan(Duration.ofMillis(300L * agents).toNanos());
                assertThat(decisions.await(agents, application))
                        .allSatisfy(decision ->
                                assertThat(decision.header("quota-policy")).startsWith(decision.agent() + "@0/"));
            }
        }
    }

    private static void change(Quotas quotas, Decisions decisions, int round) {
        var all = List.of(
                "{'capacity':40,'refill_rate':20}",
                "{'capacity':5,'refill_rate':1}",
                "{'capacity':10,'refill_rate':5,'mode':'shadow'}",
                "{'limits':[{'name':'burst','capacity':10,'refill_rate':30},{'name':'day','capacity':60,'refill_rate':2}]}",
                "{'limits':[{'name':'day','capacity':80,'refill_rate':3}]}",
                "{'capacity':10,'refill_rate':5,'mode':'off'}");
        for (int i = 0; i < all.size(); i++) {
            for (int agent = 0; agent < 5; agent++) {
                var policy = quotas.set("agent-" + agent, all.get((i + agent + round) % all.size()));
                if (agent == 4) awaitPolicy(decisions, policy, 0);
            }
        }
        quotas.set("agent-3", null);
    }

    private static Decisions.Seen awaitPolicy(Decisions decisions, String policy, int after) {
        return await("a decision by " + policy)
                .pollInterval(Duration.ofMillis(1))
                .atMost(Duration.ofSeconds(60))
                .until(
                        () -> decisions.poll().stream()
                                .skip(after)
                                .filter(decision -> policy.equals(decision.header("quota-policy")))
                                .findFirst(),
                        java.util.Optional::isPresent)
                .orElseThrow();
    }

    private static Decisions.Seen last(Decisions decisions) {
        var all = decisions.poll();
        return all.get(all.size() - 1);
    }
}
