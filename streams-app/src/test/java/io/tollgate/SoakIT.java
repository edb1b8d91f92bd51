package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.FaultProxy;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Draws faults for {@code -Dsoak.minutes} minutes, from a seed that it prints. {@code -Dsoak.seed} repeats it: the same
 * faults in the same order and of the same lengths, though the traffic they meet differs.
 */
@Tag("soak")
class SoakIT {
    private static final double RATE = 150;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** The faults; each restores the state before it. */
    private enum Fault {
        REDIS_KILLED_BACK_EMPTY,
        REDIS_FROZEN,
        REDIS_FLUSHED,
        SCRIPT_FLUSHED,
        REPLY_LOST,
        REDIS_SLOW,
        REDIS_BLACK_HOLE,
        REDIS_REFUSES_CONNECTIONS,
        PIPELINE_KILLED,
        PIPELINE_RESTARTED,
        INSTANCE_JOINS_AND_LEAVES,
        INSTANCE_JOINS_AND_IS_KILLED,
        PIPELINE_FROZEN,
        BROKER_FROZEN,
        BROKER_KILLED
    }

    @Test
    void everyPromiseHolds() {
        var given = System.getProperty("soak.seed", "");
        long seed = given.isBlank() ? ThreadLocalRandom.current().nextInt(1_000_000) : Long.parseLong(given.strip());
        var length = Duration.ofSeconds((long) (60 * Double.parseDouble(System.getProperty("soak.minutes", "30"))));
        System.out.println("SOAK of " + length + ", to be repeated with -Dsoak.seed=" + seed);

        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var proxy = FaultProxy.to(redis.port());
                var cluster = TestCluster.on(broker.bootstrapServers())
                        .with("REDIS_URL", "redis://127.0.0.1:" + proxy.port())) {
            cluster.createTopics();
            try (var scenario = FaultScenario.startWithHolds("soak, seed " + seed, cluster, RATE, seed)) {
                new Run(scenario, broker, redis, proxy, new SplittableRandom(seed))
                        .until(System.nanoTime() + length.toNanos());
            }
        }
    }

    private static final class Run {
        private final FaultScenario scenario;
        private final KafkaBroker broker;
        private final RedisServer redis;
        private final FaultProxy proxy;
        private final SplittableRandom random;
        private final Map<Fault, Integer> landed = new EnumMap<>(Fault.class);

        Run(FaultScenario scenario, KafkaBroker broker, RedisServer redis, FaultProxy proxy, SplittableRandom random) {
            this.scenario = scenario;
            this.broker = broker;
            this.redis = redis;
            this.proxy = proxy;
            this.random = random;
        }

        void until(long deadlineNanos) {
            while (System.nanoTime() - deadlineNanos < 0) {
                var fault = Fault.values()[random.nextInt(Fault.values().length)];
                var length = Duration.ofMillis(random.nextInt(300, 6000));
                var pause = Duration.ofMillis(random.nextInt(500, 3000));
                long begin = Arrivals.nowMicros();
                cause(fault, length);
                long healed = Arrivals.nowMicros();
                // Waits until Redis is in use and the mirror is written: losing both at once would lose approvals.
                scenario.awaitRedis(healed);
                scenario.flow(50);
                pass(pause);
                landed.merge(fault, 1, Integer::sum);
                System.out.printf(
                        "SOAK %s for %d ms, no decisions for %d ms, Redis again after %d ms%n",
                        fault,
                        (healed - begin) / 1000,
                        scenario.arrivals()
                                .longestGap(begin, Arrivals.nowMicros())
                                .toMillis(),
                        scenario.awaitRedis(healed).toMillis());
            }
            landed.forEach((fault, times) -> System.out.printf("SOAK %-30s %3d times%n", fault, times));
            var verdict = scenario.assertClean();
            for (var outcome : List.of("settled", "expired", "no_such_hold")) {
                assertThat(verdict.figure(outcome)).as(outcome).isPositive();
            }
        }

        private void cause(Fault fault, Duration length) {
            long begin = Arrivals.nowMicros();
            switch (fault) {
                case REDIS_KILLED_BACK_EMPTY -> {
                    redis.kill();
                    scenario.awaitLocal(begin);
                    pass(length);
                    redis.restart();
                }
                case REDIS_FROZEN -> {
                    redis.freeze();
                    scenario.awaitLocal(begin);
                    pass(length);
                    redis.thaw();
                }
                case REDIS_FLUSHED -> moves("tollgate_reconciled_total", () -> redis.ask("FLUSHALL"));
                case SCRIPT_FLUSHED -> {
                    redis.ask("SCRIPT FLUSH");
                    scenario.flow(50);
                }
                case REPLY_LOST -> {
                    int lost = proxy.lostReplies();
                    proxy.cutAfterForward();
                    await("a lost reply").atMost(SOON).until(() -> proxy.lostReplies() > lost);
                }
                case REDIS_SLOW -> {
                    proxy.delay(Duration.ofMillis(random.nextInt(80, 1000)));
                    scenario.awaitLocal(begin);
                    pass(length);
                    proxy.pass();
                }
                case REDIS_BLACK_HOLE -> {
                    proxy.blackHole();
                    scenario.awaitLocal(begin);
                    pass(length);
                    proxy.pass();
                }
                case REDIS_REFUSES_CONNECTIONS -> {
                    proxy.refuse();
                    scenario.awaitLocal(begin);
                    pass(length);
                    proxy.pass();
                }
                case PIPELINE_KILLED -> {
                    scenario.application().kill();
                    scenario.startInstance(Map.of());
                }
                case PIPELINE_RESTARTED -> {
                    scenario.application().terminate();
                    scenario.application().awaitExit(SOON);
                    scenario.startInstance(Map.of());
                }
                case INSTANCE_JOINS_AND_LEAVES ->
                    scenario.guest(length, guest -> {
                        guest.terminate();
                        guest.awaitExit(SOON);
                    });
                case INSTANCE_JOINS_AND_IS_KILLED -> scenario.guest(length, guest -> guest.kill());
                case PIPELINE_FROZEN -> {
                    scenario.application().freeze();
                    pass(length);
                    scenario.application().thaw();
                }
                case BROKER_FROZEN -> {
                    broker.freeze();
                    pass(length);
                    broker.thaw();
                }
                case BROKER_KILLED -> {
                    broker.kill();
                    pass(length);
                    broker.restart();
                }
            }
        }

        private void moves(String metric, Runnable fault) {
            double before = scenario.metric(metric);
            fault.run();
            await(metric).atMost(SOON).until(() -> scenario.metric(metric) > before);
        }

        /** Lets a drawn time pass, without a condition. */
        private static void pass(Duration time) {
            LockSupport.parkNanos(time.toNanos());
        }
    }
}
