package io.tollgate.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.sandbox.process.FaultProxy;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class FailoverIT {
    private static final Duration TIMEOUT = Duration.ofMillis(100);
    private static final Limit LIMIT = new Limit(1000, 0.001); // what is left is what was not spent
    private static final String AGENT = "agent-7";
    private static final String KEY = "quota:agent-7:tokens";

    /** Buckets under test, with the breaker that they own. */
    private record Tested(FailoverBuckets buckets, RedisBreaker breaker) implements AutoCloseable {
        static Tested on(int port) {
            var redis = new RedisBuckets(RedisURI.create("127.0.0.1", port));
            var breaker = RedisBreaker.start(redis, TIMEOUT);
            return new Tested(new FailoverBuckets(redis, breaker), breaker);
        }

        Decision spend(double cost) {
            return buckets.spend(AGENT, LIMIT, cost).toCompletableFuture().join();
        }

        /** Spends 1 again and again until the breaker is open; returns how many were approved. */
        int spendUntilOpen() {
            int approved = 0;
            for (int i = 0; breaker.isClosed() && i < 100; i++) if (spend(1).isApproved()) approved++;
            assertThat(breaker.isClosed()).isFalse();
            return approved;
        }

        @Override
        public void close() {
            buckets.close();
        }
    }

    @Test
    void decisionsGoOnFromTheCopy() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            assertThat(tested.spend(600).decidedBy()).isEqualTo(DecidedBy.REDIS);

            server.kill();
            long start = System.nanoTime();
            var decisions = new ArrayList<Decision>();
            for (int i = 0; i < 500; i++) decisions.add(tested.spend(1));
            var elapsed = Duration.ofNanos(System.nanoTime() - start);

            assertThat(elapsed).isLessThan(Duration.ofSeconds(1));
            assertThat(decisions).allMatch(decision -> decision.decidedBy() == DecidedBy.LOCAL);
            assertThat(decisions.stream().filter(Decision::isApproved).count()).isEqualTo(400);
            assertThat(tested.breaker().isClosed()).isFalse();
        }
    }

    @Test
    void smallerBucketCountsAfterwards() {
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
                var tested = Tested.on(server.port())) {
            tested.spend(600);
            server.kill();
            for (int i = 0; i < 100; i++) tested.spend(1);

            server.restart();
            awaitClosed(tested);

            var decision = tested.spend(10);
            assertThat(decision.decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(decision.remainingTokens()).isCloseTo(290, within(0.5));
        }
    }

    @Test
    void refundDuringAnOutageIsToldOnce() {
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
                var tested = Tested.on(server.port())) {
            tested.spend(600);
            server.kill();
            int spent = tested.spendUntilOpen();
            var settled = tested.buckets().settle(AGENT, LIMIT, -500).join();
            assertThat(settled.remainingTokens()).isCloseTo(900 - spent, within(0.5));

            server.restart();
            awaitClosed(tested);

            assertThat(tested.spend(10).remainingTokens()).isCloseTo(890 - spent, within(0.5));
            assertThat(tested.spend(10).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(stored(server)).isCloseTo(880 - spent, within(0.5));
        }
    }

    @Test
    void overrunDuringAnOutageIsTold() {
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
                var tested = Tested.on(server.port())) {
            tested.spend(600);
            server.kill();
            tested.spendUntilOpen();
            tested.buckets().settle(AGENT, LIMIT, 700).join();

            server.restart();
            awaitClosed(tested);

            assertThat(tested.spend(1).isApproved()).isFalse();
            assertThat(stored(server)).isNegative();
        }
    }

    @Test
    void emptyRedisGivesNoFreshBucket() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            tested.spend(600);
            server.kill();
            for (int i = 0; i < 100; i++) tested.spend(1);

            server.restart();
            awaitClosed(tested);

            assertThat(tested.spend(10).remainingTokens()).isCloseTo(290, within(0.5));
            assertThat(stored(server)).isCloseTo(290, within(0.5));
        }
    }

    @Test
    void emptiedRedisGoesOnFromTheCopy() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            tested.spend(600);
            onRedis(server, commands -> commands.flushall());

            assertThat(tested.spend(10).remainingTokens()).isCloseTo(390, within(0.5));
        }
    }

    @Test
    void thawChargesNothingTwice() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            tested.spend(100);
            server.freeze();
            long begun = System.nanoTime();
            int approved = tested.spendUntilOpen();
            assertThat(Duration.ofNanos(System.nanoTime() - begun)).isLessThan(Duration.ofSeconds(1));
            for (int i = 0; i < 50; i++) if (tested.spend(1).isApproved()) approved++;

            // Probes time out meanwhile; nobody pays for them.
            long start = System.nanoTime();
            long longest = 0;
            while (System.nanoTime() - start < Duration.ofSeconds(2).toNanos()) {
                long before = System.nanoTime();
                tested.buckets()
                        .spend("somebody", LIMIT, 0.01)
                        .toCompletableFuture()
                        .join();
                longest = Math.max(longest, System.nanoTime() - before);
            }
            assertThat(Duration.ofNanos(longest)).isLessThan(Duration.ofSeconds(1));

            server.thaw();
            awaitClosed(tested);
            assertThat(tested.spend(1).remainingTokens()).isCloseTo(1000 - 100 - approved - 1, within(0.5));
            assertThat(stored(server)).isCloseTo(1000 - 100 - approved - 1, within(0.5));
        }
    }

    @Test
    void lostReplyIsChargedOnce() {
        try (var server = RedisServer.start();
                var proxy = FaultProxy.to(server.port());
                var tested = Tested.on(proxy.port())) {
            double spent = 0;
            for (int round = 1; round <= 3; round++) {
                awaitRedis(tested);
                spent += tested.spend(10).isApproved() ? 10 : 0;
                proxy.cutAfterForward();
                spent += tested.spend(50).isApproved() ? 50 : 0;
                assertThat(proxy.lostReplies()).isEqualTo(round);
            }
            awaitRedis(tested);
            double left = 1000 - spent;

            assertThat(tested.spend(0).remainingTokens()).isCloseTo(left, within(0.5));
            assertThat(stored(server)).isCloseTo(left, within(0.5));
        }
    }

    @Test
    void timeoutsOpenTheBreakerForAWhile() {
        try (var server = RedisServer.start();
                var proxy = FaultProxy.to(server.port());
                var tested = Tested.on(proxy.port())) {
            tested.spend(1);
            proxy.delay(Duration.ofMillis(300));
            long start = System.nanoTime();
            tested.spendUntilOpen();
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));

            proxy.pass();
            awaitClosed(tested);
        }
    }

    @Test
    void slownessOpensTheBreaker() {
        try (var server = RedisServer.start();
                var proxy = FaultProxy.to(server.port());
                var tested = Tested.on(proxy.port())) {
            for (int i = 0; i < 10; i++) tested.spend(1);
            proxy.delay(Duration.ofMillis(75));
            int before = 0;
            while (tested.breaker().isClosed() && before < 50) {
                tested.spend(1);
                before++;
            }
            assertThat(tested.breaker().isClosed()).isFalse();
            assertThat(before).isLessThanOrEqualTo(10);
        }
    }

    @Test
    void blackHoleIsBridgedWithinASecond() {
        try (var server = RedisServer.start();
                var proxy = FaultProxy.to(server.port());
                var tested = Tested.on(proxy.port())) {
            tested.spend(100);
            proxy.blackHole();
            long start = System.nanoTime();
            int approved = tested.spendUntilOpen();
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));

            proxy.pass();
            awaitClosed(tested);
            assertThat(tested.spend(1).remainingTokens()).isCloseTo(899 - approved, within(0.5));
        }
    }

    @Test
    void lateRedisIsUsedByItself() {
        try (var server = RedisServer.start()) {
            server.kill();
            long start = System.nanoTime();
            try (var tested = Tested.on(server.port())) {
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(2));
                assertThat(tested.spend(100).decidedBy()).isEqualTo(DecidedBy.LOCAL);

                server.restart();
                awaitClosed(tested);

                assertThat(tested.spend(10).remainingTokens()).isCloseTo(890, within(0.5));
                assertThat(stored(server)).isCloseTo(890, within(0.5));
            }
        }
    }

    @Test
    void frozenRedisDelaysTheStartBriefly() {
        try (var server = RedisServer.start()) {
            server.freeze();
            long start = System.nanoTime();
            try (var tested = Tested.on(server.port())) {
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMillis(2500));
                assertThat(tested.spend(100).decidedBy()).isEqualTo(DecidedBy.LOCAL);

                server.thaw();
                awaitClosed(tested);

                assertThat(tested.spend(10).remainingTokens()).isCloseTo(890, within(0.5));
            } finally {
                server.thaw();
            }
        }
    }

    @Test
    void replicaIsNotUsedUntilPrimary() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            tested.spend(100);
            onRedis(server, commands -> commands.replicaof("127.0.0.1", 1));
            tested.spendUntilOpen();
            assertThat(tested.spend(1).decidedBy()).isEqualTo(DecidedBy.LOCAL);

            onRedis(server, commands -> commands.replicaofNoOne());
            awaitClosed(tested);
            assertThat(tested.spend(1).decidedBy()).isEqualTo(DecidedBy.REDIS);
        }
    }

    @Test
    void wrongTypeConcernsOneAgentOnly() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            onRedis(server, commands -> commands.set(KEY, "not a hash"));

            for (int i = 0; i < 30; i++) {
                assertThat(tested.spend(1).decidedBy()).isEqualTo(DecidedBy.LOCAL);
                assertThat(tested.buckets()
                                .look(AGENT, LIMIT)
                                .toCompletableFuture()
                                .join()
                                .tokens())
                        .isCloseTo(999 - i, within(0.5));
            }
            assertThat(tested.breaker().isClosed()).isTrue();
            tested.buckets().reset(AGENT, LIMIT).toCompletableFuture().join();
            assertThat(tested.breaker().isClosed()).isTrue();
            var other = tested.buckets()
                    .spend("other", LIMIT, 1)
                    .toCompletableFuture()
                    .join();
            assertThat(other.decidedBy()).isEqualTo(DecidedBy.REDIS);

            tested.spend(40);
            onRedis(server, commands -> commands.del(KEY));
            assertThat(tested.spend(1).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(stored(server)).isCloseTo(959, within(0.5));
        }
    }

    @Test
    void failedLooksLeaveTheBreakerClosed() {
        try (var server = RedisServer.start();
                var tested = Tested.on(server.port())) {
            onRedis(server, commands -> commands.set(KEY, "not a hash"));

            for (int i = 0; i < 30; i++) {
                tested.buckets().look(AGENT, LIMIT).toCompletableFuture().join();
                tested.buckets().reset(AGENT, LIMIT).toCompletableFuture().join();
            }

            assertThat(tested.breaker().isClosed()).isTrue();
        }
    }

    @Test
    void longOutageKeepsMemoryBounded() {
        try (var server = RedisServer.start()) {
            server.kill();
            try (var tested = Tested.on(server.port())) {
                var refillsAtOnce = new Limit(100, 1e9);
                for (int i = 0; i < 100_000; i++) tested.buckets().spend("agent-" + i, refillsAtOnce, 1);

                assertThat(tested.buckets().known()).isLessThan(40_000);
            }
        }
    }

    @Test
    void fewestRightsAreEnough() {
        var rights =
                "app on >secret resetkeys ~quota:* resetchannels -@all +evalsha +script|load +hmget +hset +expire +persist"
                        + " +pexpire +time +ping +select +info";
        try (var server = RedisServer.start(RedisServer.RedisOptions.defaults().withUser(rights))) {
            var uri = RedisURI.create("redis://app:secret@127.0.0.1:" + server.port());
            var redis = new RedisBuckets(uri);
            var breaker = RedisBreaker.start(redis, TIMEOUT);
            try (var tested = new Tested(new FailoverBuckets(redis, breaker), breaker)) {
                assertThat(tested.spend(1).decidedBy()).isEqualTo(DecidedBy.REDIS);
            }
        }
    }

    @Test
    void closeEndsEveryThread() {
        try (var server = RedisServer.start()) {
            var before = threadNames();
            for (int i = 0; i < 5; i++) {
                try (var tested = Tested.on(server.port())) {
                    tested.spend(1);
                }
            }
            await().atMost(Duration.ofSeconds(10))
                    .untilAsserted(() -> assertThat(threadNames()).hasSizeLessThanOrEqualTo(before.size()));
        }
    }

    private static List<String> threadNames() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("lettuce-") || name.startsWith("redis-probe"))
                .toList();
    }

    private static void awaitClosed(Tested tested) {
        await().pollInterval(Duration.ofMillis(10))
                .atMost(Duration.ofMillis(2500)) // 1.5 s, and what a busy machine takes
                .until(() -> tested.breaker().isClosed());
    }

    private static void awaitRedis(Tested tested) {
        await().pollInterval(Duration.ofMillis(20))
                .until(() -> tested.breaker().isClosed() && tested.spend(0).decidedBy() == DecidedBy.REDIS);
    }

    private static double stored(RedisServer server) {
        return Double.parseDouble(onRedis(server, commands -> commands.hget(KEY, "tokens")));
    }

    private static <T> T onRedis(
            RedisServer server, Function<io.lettuce.core.api.sync.RedisCommands<String, String>, T> work) {
        try (var client = RedisClient.create(server.uri());
                var connection = client.connect()) {
            return work.apply(connection.sync());
        }
    }
}
