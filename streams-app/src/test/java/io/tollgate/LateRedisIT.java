package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A pipeline that knows many agents starts without Redis. When Redis comes, each agent still has its first call
 * to make.
 */
@Tag("faults")
class LateRedisIT {
    private static final int AGENTS = 20_000;
    private static final int RATE = 2_000;
    private static final Duration SOON = Duration.ofSeconds(120);

    @Test
    void knownAgentsDoNotWait() {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(1000, 10).with("REDIS_URL", redis.uri());
                var arrivals = new Arrivals(cluster);
                var requests = new Requests(cluster)) {
            try (var before = cluster.start()) {
                for (int n = 0; n < AGENTS; n++) requests.send("agent-" + n, 1, n);
                await("agents known").atMost(SOON).until(() -> arrivals.count() == AGENTS);
                before.terminate();
                assertThat(before.awaitExit(SOON)).as("closed in order").isPresent();
            }
            redis.kill();

            try (var without = cluster.start();
                    var traffic = new Steady(requests)) {
                await("known agents, decided locally").atMost(SOON).until(() -> arrivals.count() > AGENTS + 3 * RATE);
                long fromMicros = Arrivals.nowMicros();
                redis.restart();
                arrivals.await("a decision by Redis", fromMicros, seen -> !seen.local());
                int then = arrivals.count();
                await("each agent again").atMost(SOON).until(() -> arrivals.count() > then + AGENTS);

                var gap = arrivals.longestGap(fromMicros, Arrivals.nowMicros());
                System.out.println("FAULT Redis late, " + AGENTS + " agents known: gap " + gap.toMillis() + " ms");
                assertThat(gap).isLessThan(FaultScenario.ONE_DELAY);
                assertThat(without.isReady()).isTrue();
                traffic.end();
                requests.published();
                Verdict.of(cluster, SOON).clean();
            }
        }
    }

    /** One request of each agent in turn. */
    private static final class Steady implements AutoCloseable {
        private final Thread thread;
        private volatile boolean ended;

        Steady(Requests requests) {
            thread = new Thread(() -> publish(requests), "traffic");
            thread.setDaemon(true);
            thread.start();
        }

        private void publish(Requests requests) {
            long begin = System.nanoTime();
            for (long number = 0; !ended; number++) {
                long due = begin + number * 1_000_000_000L / RATE;
                while (!ended && due - System.nanoTime() > 0) LockSupport.parkNanos(due - System.nanoTime());
                requests.send("agent-" + number % AGENTS, 1, AGENTS + number);
            }
        }

        @Override
        public void close() {
            end();
        }

        void end() {
            ended = true;
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
