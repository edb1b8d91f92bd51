package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class CrashIT {
    private static final double CAPACITY = 60;
    private static final int AGENTS = 50;
    private static final int REQUESTS = 6000;

    @Test
    void killInMidBatchChargesOnce() {
        try (var cluster = TestCluster.onSharedBroker()
                        .withLimit(CAPACITY, 0)
                        .withSharedRedis()
                        // Long transactions: much is decided and charged, but not committed, at the moment of the
                        // crash.
                        .with("KAFKA_COMMIT_INTERVAL_MS", "1000");
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            for (int i = 0; i < REQUESTS; i++) {
                var agent = "agent-" + i % AGENTS;
                if (i % 5 == 2) requests.sendByCrc32(agent, 1, i);
                else requests.send(agent, 1, i);
            }
            int published = requests.published().size();

            try (var application = cluster.start()) {
                await().pollInterval(Duration.ofMillis(5))
                        .atMost(Duration.ofSeconds(30))
                        .until(() -> TestCluster.bucketsInRedis(cluster.redisUrl()) > AGENTS / 4);
                application.kill();
            }
            assertThat(decisions.poll().size()).as("killed in the middle").isLessThan(published);
            try (var application = cluster.start()) {
                decisions.await(published, application);
                assertThat(TestCluster.metric(application, "tollgate_replays_total"))
                        .as("requests that were charged, but not committed, at the moment of the crash")
                        .isPositive();
            }

            decisions.conserve(requests.published());
            decisions.keepOrder();
            decisions.admitNoMoreThan(CAPACITY, 0);
            decisions.byAgent().forEach((agent, all) -> {
                double approved = all.stream()
                        .filter(Decisions.Seen::approved)
                        .mapToDouble(Decisions.Seen::costTokens)
                        .sum();
                assertThat(TestCluster.tokensInRedis(cluster.redisUrl(), agent))
                        .as("%s, decided without Redis: %s", agent, decidedLocally(all))
                        .isCloseTo(CAPACITY - approved, within(1e-9));
                assertThat(approved).as("no false refusal of " + agent).isEqualTo(CAPACITY);
            });
        }
    }

    private static List<String> decidedLocally(List<Decisions.Seen> decisions) {
        return decisions.stream()
                .filter(decision -> decision.header("quota-decided-by").equals("local"))
                .map(Decisions.Seen::source)
                .toList();
    }
}
