package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;

@Order(1) // long, and one after the other
class LocalModeIT {
    private static final int AGENTS = 8;

    @Test
    void bucketsOutliveTheStateFolder() {
        try (var cluster = TestCluster.onSharedBroker().withLimit(10, 0);
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            run(cluster, requests, decisions, 6);
            assertThat(approved(decisions)).isEqualTo(6L * AGENTS);

            run(cluster, requests, decisions, 3);
            assertThat(approved(decisions)).as("after a restart").isEqualTo(9L * AGENTS);

            cluster.deleteStateDir();
            run(cluster, requests, decisions, 3);
            assertThat(approved(decisions)).as("restored from the changelog").isEqualTo(10L * AGENTS);

            decisions.conserve(requests.published());
            decisions.keepOrder();
            assertThat(decisions.poll())
                    .allMatch(decision -> decision.header("quota-decided-by").equals("local"));
        }
    }

    private static void run(TestCluster cluster, Requests requests, Decisions decisions, int each) {
        try (var application = cluster.start()) {
            for (int i = 0; i < each * AGENTS; i++) {
                var agent = "agent-" + i % AGENTS;
                if (i % 3 == 0) requests.sendWithoutKey(agent, 1, i);
                else requests.send(agent, 1, i);
            }
            decisions.await(requests.published().size(), application);
            application.terminate();
            assertThat(application.awaitExit(Duration.ofSeconds(15)))
                    .as(application.output())
                    .hasValue(0);
        }
    }

    private static long approved(Decisions decisions) {
        return decisions.poll().stream().filter(Decisions.Seen::approved).count();
    }
}
