package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.FaultProxy;
import io.tollgate.sandbox.process.OwnThread;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Redis dies, freezes, slows down, forgets, or refuses, while traffic flows. */
@Execution(ExecutionMode.CONCURRENT)
class RedisFaultIT {
    private static final String EOS = "exactly_once_v2";
    private static final String ALO = "at_least_once";
    private static final Duration SOON = Duration.ofSeconds(30);

    private static TestCluster cluster(String redisUri) {
        return TestCluster.onSharedBroker().with("REDIS_URL", redisUri);
    }

    private static String uri(FaultProxy proxy) {
        return "redis://127.0.0.1:" + proxy.port();
    }

    @Tag("faults")
    @Test
    void returnedDataIsUsedAgain() {
        killed(true);
    }

    @Tag("faults") // by a shorter way: RedisOutageIT
    @Test
    void emptyRedisGoesOnFromTheMirror() {
        killed(false);
    }

    private static void killed(boolean keepsData) {
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(keepsData));
                var cluster = cluster(redis.uri());
                var scenario =
                        FaultScenario.start(keepsData ? "1 killed, back with data" : "2 killed, empty", cluster)) {
            long fault = Arrivals.nowMicros();
            redis.kill();
            assertThat(redis.isAlive()).isFalse();
            scenario.awaitLocal(fault);
            scenario.flow(500);
            assertThat(scenario.redisInUse()).isFalse();

            redis.restart();
            scenario.assertBack(Arrivals.nowMicros());
            scenario.flow(500);
            scenario.assertOneDelay(fault);
            assertThat(scenario.metric("tollgate_reconciled_total")).isPositive();
            scenario.assertClean();
        }
    }

    @Test
    void lateScriptsChargeNothingTwice() {
        frozen(EOS, Duration.ofSeconds(3));
    }

    @Tag("faults")
    @Test
    void lateScriptsChargeOnce_atLeastOnce() {
        frozen(ALO, Duration.ofSeconds(10));
    }

    private static void frozen(String guarantee, Duration length) {
        try (var redis = RedisServer.start();
                var cluster = cluster(redis.uri()).with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
                var scenario = FaultScenario.start("3 frozen, " + guarantee, cluster)) {
            long fault = Arrivals.nowMicros();
            redis.freeze();
            scenario.awaitLocal(fault);
            await("a while").atMost(SOON).until(() -> Arrivals.nowMicros() - fault > length.toNanos() / 1000);
            assertThat(redis.isAlive()).isTrue();
            assertThat(scenario.redisInUse()).isFalse();

            long thawed = Arrivals.nowMicros();
            redis.thaw();
            scenario.assertBack(thawed);
            scenario.flow(500);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @ParameterizedTest
    @ValueSource(strings = {EOS, ALO})
    void lostRepliesChargeOnce(String guarantee) {
        try (var redis = RedisServer.start();
                var proxy = FaultProxy.to(redis.port());
                var cluster = cluster(uri(proxy)).with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
                var scenario = FaultScenario.start("4 replies lost, " + guarantee, cluster)) {
            for (int lost = 1; lost <= 8; lost++) {
                int cuts = lost;
                long fault = Arrivals.nowMicros();
                proxy.cutAfterForward();
                await("a lost reply").atMost(SOON).until(() -> proxy.lostReplies() == cuts);
                scenario.awaitLocal(fault);
                scenario.awaitRedis(Arrivals.nowMicros());
                scenario.flow(100);
            }
            scenario.measured("lost replies", proxy.lostReplies());
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void slowRedisMeansFastLocalDecisions() {
        try (var redis = RedisServer.start();
                var proxy = FaultProxy.to(redis.port());
                var cluster = cluster(uri(proxy));
                var scenario = FaultScenario.start("5 slow", cluster)) {
            proxy.delay(Duration.ofMillis(30));
            scenario.flow(500);
            assertThat(scenario.redisInUse()).as("slow, but not too slow").isTrue();
            for (long millis : List.of(85L, 400L)) {
                long fault = Arrivals.nowMicros();
                proxy.delay(Duration.ofMillis(millis));
                await("the breaker opens").atMost(SOON).until(() -> !scenario.redisInUse());
                scenario.awaitLocal(fault);
                scenario.flow(500);
                assertThat(scenario.redisInUse()).isFalse();
                long healed = Arrivals.nowMicros();
                proxy.pass();
                scenario.assertBack(healed);
                scenario.flow(250);
                scenario.assertOneDelay(fault);
            }
            assertThat(scenario.application().output()).doesNotContain("max.poll.interval", "fenced");
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void redisIsUsedAfterABlackHole() {
        try (var redis = RedisServer.start();
                var proxy = FaultProxy.to(redis.port());
                var cluster = cluster(uri(proxy));
                var scenario = FaultScenario.start("5 black hole", cluster)) {
            long fault = Arrivals.nowMicros();
            proxy.blackHole();
            scenario.awaitLocal(fault);
            scenario.flow(1000);
            long healed = Arrivals.nowMicros();
            proxy.pass();
            scenario.assertBack(healed);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void redisIsUsedAfterAFirewallForgot() {
        try (var redis = RedisServer.start();
                var proxy = FaultProxy.to(redis.port());
                var cluster = cluster(uri(proxy));
                var scenario = FaultScenario.start("5 connection dead without a word", cluster)) {
            long fault = Arrivals.nowMicros();
            proxy.forgetConnections();
            scenario.awaitLocal(fault);
            await("the breaker opens").atMost(SOON).until(() -> !scenario.redisInUse());
            scenario.assertBack(Arrivals.nowMicros());
            scenario.flow(500);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Test
    void onlyLostKeysAreRepaired() {
        try (var redis = RedisServer.start();
                var cluster = cluster(redis.uri()).withPatience();
                var scenario = FaultScenario.start("6 flushed, corrupt, wrong type", cluster)) {
            long begin = Arrivals.nowMicros();
            double failures = failures(scenario);
            redis.ask("SCRIPT FLUSH");
            assertThat(redis.ask("SCRIPT EXISTS 0")).isPresent();
            scenario.flow(200);
            assertThat(failures(scenario)).as("NOSCRIPT is no failure").isEqualTo(failures);

            assertMoves(scenario, "tollgate_reconciled_total", () -> redis.ask("FLUSHALL"));
            assertMoves(scenario, "tollgate_reconciled_total", () -> redis.ask("DEL quota:agent-0:tokens"));
            assertMoves(scenario, "tollgate_repaired_total", () -> redis.ask("HSET quota:agent-0:tokens tokens nan"));
            assertMoves(
                    scenario, "tollgate_repaired_total", () -> redis.ask("HSET quota:agent-1:tokens last_refill abc"));
            scenario.flow(200);
            assertThat(scenario.arrivals().since(begin))
                    .filteredOn(arrival -> arrival.decidedAtMicros() >= begin)
                    .as("Redis was always in use")
                    .noneMatch(Arrivals.Arrival::local);

            assertMoves(scenario, "tollgate_unusable_keys_total", () -> {
                redis.ask("DEL quota:agent-0:tokens");
                redis.ask("SET quota:agent-0:tokens text");
            });
            scenario.flow(500);
            assertThat(scenario.redisInUse())
                    .as("one key's trouble is not everybody's")
                    .isTrue();
            assertThat(scenario.arrivals().all().stream()
                            .filter(Arrivals.Arrival::local)
                            .map(Arrivals.Arrival::agent))
                    .containsOnly("agent-0");
            long healed = Arrivals.nowMicros();
            redis.ask("DEL quota:agent-0:tokens");
            scenario.arrivals()
                    .await("agent-0 by Redis", healed, seen -> seen.agent().equals("agent-0") && !seen.local());
            scenario.assertOneDelay(begin);
            scenario.assertClean();
        }
    }

    private static void assertMoves(FaultScenario scenario, String metric, Runnable fault) {
        double before = scenario.metric(metric);
        fault.run();
        await(metric).atMost(SOON).until(() -> scenario.metric(metric) > before);
    }

    private static double failures(FaultScenario scenario) {
        return scenario.metric("tollgate_redis_failures_total{kind=\"error\"}")
                + scenario.metric("tollgate_redis_failures_total{kind=\"timeout\"}");
    }

    /** A refusal of Redis, the way to cause it, and the way to heal it. */
    enum Refusal {
        READONLY("READONLY", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        OOM("OOM", "CONFIG SET maxmemory 100kb", "CONFIG SET maxmemory 0"),
        NOREPLICAS("NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        NOPERM("NOPERM", "ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha"),
        BUSY("BUSY", "EVAL \"while true do end\" 0", "SCRIPT KILL");

        final String error;
        final String fault;
        final String cure;

        Refusal(String error, String fault, String cure) {
            this.error = error;
            this.fault = fault;
            this.cure = cure;
        }
    }

    @ParameterizedTest
    @EnumSource(names = "READONLY")
    void redisIsUsedAfterRefusals(Refusal refusal) {
        refused(refusal);
    }

    @Tag("faults")
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "READONLY")
    void redisIsUsedAfterOtherRefusals(Refusal refusal) {
        refused(refusal);
    }

    private static void refused(Refusal refusal) {
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withConfig("busy-reply-threshold 50"));
                var cluster = cluster(redis.uri()).withPatience();
                var scenario = FaultScenario.start("7 " + refusal, cluster)) {
            // A busy machine may open the breaker, and an open breaker sends no call that could fail.
            scenario.awaitRedis(Arrivals.nowMicros());
            double failures = failures(scenario);
            long fault = Arrivals.nowMicros();
            redis.ask(refusal.fault);
            scenario.awaitLocal(fault);
            await("the breaker opens").atMost(SOON).until(() -> !scenario.redisInUse());
            assertThat(redis.ask("EVALSHA " + "0".repeat(40) + " 1 quota::tokens")
                            .orElse(""))
                    .as("the fault has landed")
                    .matches("-(" + refusal.error + "|NOSCRIPT).*");
            scenario.flow(500);
            assertThat(failures(scenario)).isGreaterThan(failures);

            redis.ask(refusal.cure);
            long healed = Arrivals.nowMicros();
            scenario.assertBack(healed);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void redisIsUsedAfterFailedSaves(@TempDir Path dir) throws IOException {
        var snapshot = dir.resolve("dump.rdb");
        try (var redis = RedisServer.start(RedisServer.RedisOptions.defaults().withDir(dir));
                var cluster = cluster(redis.uri());
                var scenario = FaultScenario.start("7 MISCONF", cluster)) {
            long fault = Arrivals.nowMicros();
            Files.createDirectories(snapshot.resolve("in-the-way"));
            redis.ask("CONFIG SET save \"3600 1000000\"");
            redis.ask("BGSAVE");
            await("the refusal")
                    .atMost(SOON)
                    .until(() -> redis.ask("SET x 1").orElse("").startsWith("-MISCONF"));
            scenario.awaitLocal(fault);
            scenario.flow(500);
            assertThat(scenario.redisInUse()).isFalse();

            Files.delete(snapshot.resolve("in-the-way"));
            Files.delete(snapshot);
            redis.ask("BGSAVE");
            await("Redis can save again")
                    .atMost(SOON)
                    .until(() -> redis.ask("SET x 1").orElse("").startsWith("+OK"));
            scenario.assertBack(Arrivals.nowMicros());
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void redisIsUsedAfterLoading() {
        var options = RedisServer.RedisOptions.defaults()
                .withAppendOnly(true)
                .withConfig("enable-debug-command yes")
                .withConfig("aof-use-rdb-preamble no")
                .withConfig("key-load-delay 300"); // microseconds
        try (var redis = RedisServer.start(options);
                var cluster = cluster(redis.uri());
                var scenario = FaultScenario.start("7 LOADING", cluster)) {
            redis.ask("DEBUG POPULATE 15000");
            redis.ask("BGREWRITEAOF");
            await("a file of many keys")
                    .atMost(SOON)
                    .until(() -> redis.output().contains("Background AOF rewrite finished successfully"));
            long fault = Arrivals.nowMicros();
            redis.kill();
            var restart = OwnThread.run(redis::restart);
            await("LOADING")
                    .pollInterval(Duration.ofMillis(20))
                    .atMost(SOON)
                    .until(() -> redis.ask("GET x").orElse("").startsWith("-LOADING"));
            scenario.awaitLocal(fault);
            restart.join();
            scenario.assertBack(Arrivals.nowMicros());
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void redisIsUsedAfterTooManyClients() throws IOException {
        try (var redis = RedisServer.start();
                var cluster = cluster(redis.uri());
                var scenario = FaultScenario.start("7 maxclients", cluster)) {
            long fault = Arrivals.nowMicros();
            try (var greedy = new java.net.Socket("127.0.0.1", redis.port())) {
                // One connection, so that no other comes in between: sets the limit, then ends all others.
                greedy.getOutputStream()
                        .write("CONFIG SET maxclients 1\r\nCLIENT KILL TYPE normal SKIPME yes\r\n".getBytes());
                scenario.awaitLocal(fault);
                await("the breaker opens").atMost(SOON).until(() -> !scenario.redisInUse());
                assertThat(redis.ask("PING")).hasValue("-ERR max number of clients reached");
                scenario.flow(500);
                greedy.getOutputStream().write("CONFIG SET maxclients 1000\r\n".getBytes());
                await("room")
                        .atMost(SOON)
                        .until(() -> redis.ask("PING").orElse("").equals("+PONG"));
                scenario.assertBack(Arrivals.nowMicros());
            }
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void lossyFailoverGivesNothing() {
        try (var primary = RedisServer.start();
                var replica =
                        RedisServer.start(RedisServer.RedisOptions.defaults().withReplicaOf(primary.port()));
                var proxy = FaultProxy.to(primary.port());
                var cluster = cluster(uri(proxy));
                var scenario = FaultScenario.start("8 failover to a lagging replica", cluster)) {
            await("the replica follows")
                    .atMost(SOON)
                    .until(() -> replica.ask("EXISTS quota:agent-0:tokens")
                            .orElse("")
                            .equals(":1"));
            replica.ask("REPLICAOF NO ONE");
            scenario.flow(1000); // the primary continues deciding, and the replica does not hear of it
            double reconciled = scenario.metric("tollgate_reconciled_total");
            long fault = Arrivals.nowMicros();
            primary.kill();
            proxy.redirect(replica.port());
            assertThat(primary.isAlive()).isFalse();
            scenario.assertBack(fault);
            scenario.flow(500);
            assertThat(scenario.metric("tollgate_reconciled_total")).isGreaterThan(reconciled);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }
}
