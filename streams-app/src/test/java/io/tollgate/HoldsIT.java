package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds on a real broker and a real Redis, each test with its own: they share the topic of reports. Nothing refills. */
class HoldsIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final double CAPACITY = 1_000;

    private static TestCluster cluster(KafkaBroker broker) {
        var cluster = TestCluster.on(broker.bootstrapServers()).withPatience().withLimit(CAPACITY, 0);
        cluster.createTopics();
        return cluster;
    }

    /** Starts an instance that decides the first request of agent {@code a} by this policy. */
    private static ApplicationProcess startWith(TestCluster cluster, String holds) {
        cluster.policy("a", "{\"capacity\":1000,\"refill_rate\":0,\"holds\":" + holds + "}");
        return cluster.start();
    }

    @Test
    void refundReachesRedisSoon() {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = cluster(broker).with("REDIS_URL", redis.uri());
                var holds = new Holds(cluster);
                var application = cluster.start()) {
            awaitDecisionsOfRedis(holds);
            holds.reserve("a", 300);
            await().atMost(SOON).until(() -> of("a", holds).size() == 1);
            var approval = of("a", holds).get(0);
            assertThat(TestCluster.tokensInRedis(redis.uri(), "a")).isEqualTo(700);

            holds.report("a", Holds.header(approval, "quota-source"), 100);
            await().atMost(SOON).until(() -> holds.settled().size() == 1);

            assertThat(holds.settled().get(0).get("decided_by").textValue()).isEqualTo("redis");
            await().atMost(Duration.ofSeconds(5)).until(() -> TestCluster.tokensInRedis(redis.uri(), "a") == 900);
            holds.reserve("a", 900);
            await().atMost(SOON).until(() -> of("a", holds).size() == 2);
            holds.report("a", Holds.header(of("a", holds).get(1), "quota-source"), 950);
            await().atMost(Duration.ofSeconds(20)).until(() -> TestCluster.tokensInRedis(redis.uri(), "a") == -50);
            assertThat(application.isAlive()).as(application.output()).isTrue();
        }
    }

    @Test
    void explainTellsHowAHoldEnded() throws Exception {
        try (var broker = KafkaBroker.start();
                var cluster = cluster(broker);
                var holds = new Holds(cluster);
                var application = startWith(cluster, "{\"max_open\":1}")) {
            holds.reserve("a", 300);
            holds.reserve("a", 10);
            await().atMost(SOON).until(() -> of("a", holds).size() == 1);
            var hold = Holds.header(of("a", holds).get(0), "quota-source");

            assertThat(cluster.command("explain", hold).output())
                    .contains("It opened a hold, which nobody has settled; its deadline is 20");

            holds.report("a", hold, 100);
            await().atMost(SOON).until(() -> holds.settled().size() == 1);

            assertThat(cluster.command("explain", hold).output())
                    .contains(
                            "A worker reported that 100 tokens of its hold were used, ",
                            "later: 200 tokens were given back.");
            var refused = hold.replaceAll("0$", "1");
            assertThat(cluster.command("explain", refused).output())
                    .contains("It would have opened a hold, and as many were open as its policy allows (max_open).");
            assertThat(application.isAlive()).as(application.output()).isTrue();
        }
    }

    @Test
    void idleHoldsEndAtTheirDeadline() throws Exception {
        try (var broker = KafkaBroker.start();
                var cluster = cluster(broker);
                var holds = new Holds(cluster);
                var application = startWith(cluster, "{\"within_s\":6,\"unsettled\":\"returned\"}")) {
            holds.reserve("a", 300);
            await().atMost(SOON).until(() -> holds.approved().size() == 1);
            long deadlineMicros = Long.parseLong(Holds.header(holds.approved().get(0), "quota-hold"));

            await().atMost(SOON).until(() -> holds.settled().size() == 1);

            var expired = holds.settled().get(0);
            assertThat(expired.get("outcome").textValue()).isEqualTo("expired");
            assertThat(expired.get("refunded").intValue()).isEqualTo(300);
            assertThat(expired.get("decided_at").longValue()).isBetween(deadlineMicros, deadlineMicros + 2_000_000);
            assertThat(application.isAlive()).as(application.output()).isTrue();
        }
    }

    /**
     * The pipeline is killed again and again while agents reserve and workers settle; each time, charges or settlements
     * are uncommitted.
     */
    @Test
    void crashesKeepEveryHoldSettledOnce() {
        int agents = 20;
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = cluster(broker).with("REDIS_URL", redis.uri());
                var holds = new Holds(cluster)) {
            int reserved = 0;
            int reported = 0;
            for (int round = 0; round < 3; round++) {
                try (var application = cluster.start()) {
                    for (int i = 0; i < 400; i++) holds.reserve("agent-" + i % agents, 10);
                    reserved += 400;
                    int before = reported;
                    int settledBefore = holds.settled().size();
                    await().atMost(SOON).until(() -> holds.approved().size() > before + 20);
                    var approved = holds.approved();
                    for (; reported < approved.size(); reported++) {
                        var hold = approved.get(reported);
                        holds.report(Holds.agent(hold), Holds.header(hold, "quota-source"), reported % 20);
                    }
                    holds.flush();
                    await().pollInterval(Duration.ofMillis(5))
                            .atMost(SOON)
                            .until(() -> holds.settled().size() > settledBefore);
                    application.kill();
                }
            }
            try (var application = cluster.start()) {
                int all = reported;
                await().atMost(SOON).until(() -> answered(holds.settled()) == all);
                int left = reserved;
                await().atMost(SOON).until(() -> holds.approved().size() == left);
                settleTheRest(holds, reported, application);
                await().atMost(SOON).until(() -> answered(holds.settled()) == left);

                assertThat(outcomes(holds)).containsOnlyKeys("settled").containsEntry("settled", left);
                await().atMost(SOON).ignoreExceptions().untilAsserted(() -> redisHoldsTheSum(holds, redis, agents));
            }
        }
    }

    /** While Redis is away with open holds, settlements go on; when it is back, it learns of them: with its data, or without. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void redisLearnsOfSettlementsLater(boolean keepsData) {
        int agents = 5;
        try (var broker = KafkaBroker.start();
                var redis =
                        RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(keepsData));
                var cluster = cluster(broker).with("REDIS_URL", redis.uri());
                var holds = new Holds(cluster);
                var application = cluster.start()) {
            for (int i = 0; i < 20; i++) holds.reserve("agent-" + i % agents, 50);
            await().atMost(SOON).until(() -> holds.approved().size() == 20);

            redis.kill();
            settleTheRest(holds, 0, application);
            await().atMost(SOON).until(() -> holds.settled().size() == 20);
            redis.restart();
            await().atMost(SOON).until(() -> TestCluster.metric(application, "tollgate_redis_in_use") == 1);
            if (keepsData) { // otherwise an absent bucket is full, as always, until its agent asks
                await().atMost(SOON).ignoreExceptions().untilAsserted(() -> redisHoldsTheSum(holds, redis, agents));
            }

            for (int i = 0; i < agents; i++) holds.reserve("agent-" + i, 1);
            await().atMost(SOON).until(() -> holds.approved().size() == 20 + agents);
            assertThat(outcomes(holds)).containsEntry("settled", 20);
            await().atMost(SOON).ignoreExceptions().untilAsserted(() -> redisHoldsTheSum(holds, redis, agents));
        }
    }

    @Test
    void openHoldsOutliveTheirInstance() {
        try (var broker = KafkaBroker.start();
                var cluster = cluster(broker);
                var holds = new Holds(cluster)) {
            try (var application = cluster.start()) {
                for (int i = 0; i < 50; i++) holds.reserve("agent-" + i % 7, 10);
                await().atMost(SOON).until(() -> holds.approved().size() == 50);
                application.kill();
            }
            cluster.deleteStateDir();
            try (var application = cluster.start()) {
                await().atMost(SOON).until(() -> TestCluster.metric(application, "tollgate_holds_open") == 50);
                settleTheRest(holds, 0, application);
                await().atMost(SOON).until(() -> holds.settled().size() == 50);
                assertThat(outcomes(holds)).containsEntry("settled", 50);
            }
        }
    }

    /** The first calls of a process may be late. */
    private static void awaitDecisionsOfRedis(Holds holds) {
        await().atMost(SOON).pollInterval(Duration.ofSeconds(1)).until(() -> {
            holds.reserve("warm", 1);
            var last = holds.approved();
            return !last.isEmpty()
                    && Holds.header(last.get(last.size() - 1), "quota-decided-by")
                            .equals("redis");
        });
    }

    private static List<ConsumerRecord<byte[], byte[]>> of(String agent, Holds holds) {
        return holds.approved().stream()
                .filter(record -> Holds.agent(record).equals(agent))
                .toList();
    }

    private static void settleTheRest(Holds holds, int from, ApplicationProcess application) {
        var approved = holds.approved();
        for (int i = from; i < approved.size(); i++) {
            holds.report(Holds.agent(approved.get(i)), Holds.header(approved.get(i), "quota-source"), i % 20);
        }
        holds.flush();
        assertThat(application.isAlive()).as(application.output()).isTrue();
    }

    /** Returns how many reports have an answer of their own. */
    private static int answered(List<JsonNode> settled) {
        var sources = new HashSet<JsonNode>();
        for (var record : settled) {
            if (record.has("source"))
                assertThat(sources.add(record.get("source")))
                        .as("answered once: %s", record)
                        .isTrue();
        }
        return sources.size();
    }

    private static Map<String, Integer> outcomes(Holds holds) {
        var outcomes = new HashMap<String, Integer>();
        for (var record : holds.settled()) outcomes.merge(record.get("outcome").textValue(), 1, Integer::sum);
        return outcomes;
    }

    private static void redisHoldsTheSum(Holds holds, RedisServer redis, int agents) {
        var left = new HashMap<String, Double>();
        for (var approval : holds.approved()) {
            double tokens = Decisions.json(approval.value()).get("tokens").doubleValue();
            left.merge(Holds.agent(approval), -tokens, Double::sum);
        }
        for (var record : holds.settled()) {
            if (!record.has("refunded")) continue;
            left.merge(
                    record.get("agent_id").textValue(), record.get("refunded").doubleValue(), Double::sum);
        }
        for (int i = 0; i < agents; i++) {
            var agent = "agent-" + i;
            assertThat(TestCluster.tokensInRedis(redis.uri(), agent))
                    .as(agent)
                    .isCloseTo(CAPACITY + left.get(agent), within(1e-9));
        }
    }
}
