package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.Comparator;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** A day in the life of the pipeline, on whatever broker and Redis a subclass brings. */
abstract class PipelineScenario {
    private static final double CAPACITY = 40;
    private static final double REFILL = 5;
    private static final int AGENTS = 30;

    abstract String bootstrapServers();

    abstract String redisUrl();

    @Test
    void everyPromiseHolds() {
        try (var cluster = TestCluster.on(bootstrapServers())
                .withLimit(CAPACITY, REFILL)
                .withPatience()
                .with("REDIS_URL", redisUrl())) {
            cluster.createTopics();
            try (var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster)) {
                try (var application = cluster.start()) {
                    publish(requests, 0, 2400);
                    abort(cluster);
                    publish(requests, 2400, 3000);
                    decisions.await(requests.published().size(), application);

                    application.terminate();
                    assertThat(application.awaitExit(Duration.ofSeconds(15)))
                            .as(application.output())
                            .hasValue(0);
                }
                publish(requests, 3000, 3600);
                try (var application = cluster.start()) {
                    decisions.await(requests.published().size(), application);
                    assertThat(application.isAlive()).isTrue();
                }

                decisions.conserve(requests.published());
                decisions.keepOrder();
                decisions.admitNoMoreThan(CAPACITY, REFILL);
                agreeWithRedis(decisions);
                assertThat(decisions.poll())
                        .anyMatch(Decisions.Seen::approved)
                        .anyMatch(decision -> decision.header("quota-reason").equals("quota_exceeded"))
                        .anyMatch(decision -> decision.header("quota-reason").equals("cost_exceeds_capacity"))
                        .filteredOn(decision -> decision.agent() != null)
                        .allMatch(
                                decision -> decision.header("quota-decided-by").equals("redis"));
                verify(cluster);
            }
        }
    }

    private static void publish(Requests requests, int from, int to) {
        for (int i = from; i < to; i++) {
            var agent = "agent-" + i % AGENTS;
            double cost = i % 100 == 7 ? CAPACITY + 1 : i % 3;
            if (i % 50 == 11)
                requests.sendUnreadable(
                        i % 100 == 11 ? null : "key".getBytes(UTF_8), i % 4 == 1 ? null : "{broken".getBytes(UTF_8));
            else if (i % 7 == 3) requests.sendByCrc32(agent, cost, i);
            else if (i % 11 == 5) requests.sendWithoutKey(agent, cost, i);
            else requests.send(agent, cost, i);
        }
    }

    /** Must be neither decided nor charged. */
    private static void abort(TestCluster cluster) {
        try (var producer = cluster.producer(Map.of("transactional.id", "aborts-" + cluster.requestsTopic()))) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int i = 0; i < 200; i++) {
                var agent = "agent-" + i % AGENTS;
                producer.send(new ProducerRecord<>(
                        cluster.requestsTopic(), agent.getBytes(UTF_8), Requests.value(agent, 1, -1)));
            }
            producer.flush();
            producer.abortTransaction();
        }
    }

    private void agreeWithRedis(Decisions decisions) {
        decisions.byAgent().forEach((agent, all) -> {
            // Of decisions at the same moment the last one left the least.
            var last = all.stream()
                    .max(Comparator.comparingLong(Decisions.Seen::decidedAtMicros)
                            .thenComparing(Comparator.comparingDouble(Decisions.Seen::remaining)
                                    .reversed()))
                    .orElseThrow();
            // The last one may be a refusal without asking Redis: its bucket is then the same, not yet refilled.
            double lastRefill = TestCluster.numberInRedis(redisUrl(), agent, "last_refill");
            double refilled = Math.max(0, last.decidedAtMicros() / 1e6 - lastRefill) * REFILL;
            assertThat(TestCluster.tokensInRedis(redisUrl(), agent) + refilled)
                    .as(agent)
                    .isCloseTo(last.remaining(), within(1e-4));
        });
    }

    /** The independent checker reads the same topics, run as a user runs it. */
    private static void verify(TestCluster cluster) {
        try (var verify = cluster.launch("verify", "--from-beginning", "--exclusive")) {
            assertThat(verify.awaitExit(Duration.ofSeconds(60)))
                    .as(verify.output())
                    .hasValue(0);
        }
    }
}
