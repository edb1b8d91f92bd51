package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Another program sets the time of a bucket that the pipeline uses. */
class LastRefillSetBackIT {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final double CAPACITY = 20;
    private static final double RATE = 10;
    private static final int SECONDS_BACK = 60;
    private static final int SECONDS_AHEAD = 600;
    private static final int WRITES = 15;
    private static final Duration BETWEEN = Duration.ofMillis(200);

    @Test
    void noTimeIsCreditedTwice() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .withLimit(CAPACITY, RATE)
                        .withPatience()
                        .with("REDIS_URL", redis.uri());
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            var more = new AtomicBoolean(true);
            var traffic = requests.keepSending(1, 1, 5, more::get);
            await("refused")
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> decisions.poll().stream().anyMatch(seen -> !seen.approved()));

            for (int i = 0; i < WRITES; i++) {
                await().pollDelay(BETWEEN).until(() -> true);
                double back = Double.parseDouble(lastRefill(redis)) - SECONDS_BACK;
                assertThat(redis.ask("HSET quota:agent-0:tokens last_refill " + back))
                        .hasValue(":0");
            }
            more.set(false);
            traffic.get(60, TimeUnit.SECONDS);
            decisions.await(requests.published().size(), application);

            var all = decisions.poll();
            long first = all.stream()
                    .mapToLong(Decisions.Seen::decidedAtMicros)
                    .min()
                    .orElseThrow();
            long last = all.stream()
                    .mapToLong(Decisions.Seen::decidedAtMicros)
                    .max()
                    .orElseThrow();
            var approved = all.stream().filter(Decisions.Seen::approved).count();
            assertThat((double) approved)
                    .as("approved within " + (last - first) / 1000 + " ms")
                    .isLessThanOrEqualTo(CAPACITY + RATE * ((last - first) / 1e6 + 0.05));
            assertThat(all).anyMatch(seen -> seen.header("quota-decided-by").equals("redis"));
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    /** Nothing refills before the bucket's time: every refusal says so, with Redis or without. */
    @Test
    void waitsLastUntilTheTimeAhead() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .withLimit(CAPACITY, RATE)
                        .withPatience()
                        .with("REDIS_URL", redis.uri());
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            long aheadSeconds = System.currentTimeMillis() / 1000 + SECONDS_AHEAD;
            assertThat(redis.ask("HSET quota:agent-0:tokens tokens 0 last_refill " + aheadSeconds))
                    .hasValue(":2");

            requests.keepSending(1, 1, BETWEEN.toMillis(), () -> requests.acknowledged() < WRITES)
                    .get(60, TimeUnit.SECONDS);
            decisions.await(requests.published().size(), application);

            for (var seen : decisions.poll()) {
                var rejection = JSON.readTree(seen.record().value());
                assertThat(rejection.path("retry_after_ms").asLong())
                        .as(seen.source())
                        .isGreaterThan(SECONDS_AHEAD * 500);
            }
        }
    }

    private static String lastRefill(RedisServer redis) {
        return redis.text("HGET quota:agent-0:tokens last_refill");
    }
}
