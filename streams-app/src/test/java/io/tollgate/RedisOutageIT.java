package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Execution(ExecutionMode.CONCURRENT)
class RedisOutageIT {
    private static final double CAPACITY = 30;
    private static final double REFILL = 8;
    private static final int AGENTS = 10;

    @ParameterizedTest(name = "Redis keeps its data: {0}")
    @ValueSource(booleans = {true, false})
    void outageLosesAndGivesNothing(boolean keepsData) throws Exception {
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(keepsData));
                var cluster =
                        TestCluster.onSharedBroker().withLimit(CAPACITY, REFILL).with("REDIS_URL", redis.uri());
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            var more = new AtomicBoolean(true);
            var traffic = requests.keepSending(AGENTS, 1, 40, more::get);
            awaitDecisionBy("redis", decisions, 0);
            // Until the buckets are nearly empty, so that a fresh one would show.
            await().atMost(Duration.ofSeconds(30))
                    .until(() -> decisions.poll().stream().anyMatch(decision -> !decision.approved()));

            redis.kill();
            awaitDecisionBy("local", decisions, decisions.poll().size());
            redis.restart();
            awaitDecisionBy("redis", decisions, decisions.poll().size());

            more.set(false);
            traffic.get();
            decisions.await(requests.published().size(), application);
            decisions.conserve(requests.published());
            decisions.keepOrder();
            decisions.admitNoMoreThan(CAPACITY, REFILL);
            assertThat(application.isAlive()).isTrue();
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    private static void awaitDecisionBy(String who, Decisions decisions, int after) {
        await("a decision by " + who)
                .pollInterval(Duration.ofMillis(1))
                .atMost(Duration.ofSeconds(30))
                .until(() -> decisions.poll().stream()
                        .skip(after)
                        .anyMatch(
                                decision -> decision.header("quota-decided-by").equals(who)));
    }
}
