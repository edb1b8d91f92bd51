package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.cluster.SlotHash;
import io.tollgate.sandbox.process.RedisCluster;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** A Redis Cluster under traffic: slots move, nodes are lost, and replicas take over. */
@Execution(ExecutionMode.CONCURRENT)
class RedisClusterIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    private static TestCluster cluster(RedisCluster redis) {
        return TestCluster.onSharedBroker().withPatience().with("REDIS_URL", redis.uri());
    }

    private static void awaitEveryNode(FaultScenario scenario) {
        await("every node in use").atMost(SOON).until(scenario::redisInUse);
    }

    private static int slot(String agent) {
        return SlotHash.getSlot("quota:" + agent + ":tokens");
    }

    @Test
    void lostNodeMakesOnlyItsAgentsLocal() {
        try (var redis = RedisCluster.start(3, false);
                var cluster = cluster(redis);
                var scenario = FaultScenario.start("cluster, node killed", cluster)) {
            Predicate<Arrivals.Arrival> ofLost = arrival -> redis.primaryOf(slot(arrival.agent())) == 0;
            awaitEveryNode(scenario);
            assertThat(scenario.arrivals().all()).anyMatch(ofLost);
            long fault = Arrivals.nowMicros();
            redis.primaries().get(0).kill();
            scenario.arrivals().await("a local decision", fault, arrival -> ofLost.test(arrival) && arrival.local());
            long opened = Arrivals.nowMicros();
            Predicate<Arrivals.Arrival> meanwhileDecided = arrival -> arrival.decidedAtMicros() >= opened;
            await("decisions on both sides").atMost(SOON).until(() -> {
                var decided = scenario.arrivals().since(opened).stream()
                        .filter(meanwhileDecided)
                        .toList();
                return decided.stream().filter(ofLost).count() > 100
                        && decided.stream().filter(ofLost.negate()).count() > 200;
            });
            var meanwhile = scenario.arrivals().since(opened).stream()
                    .filter(meanwhileDecided)
                    .toList();
            assertThat(scenario.redisInUse()).as("every node").isFalse();
            assertThat(meanwhile.stream().filter(ofLost.negate())).noneMatch(Arrivals.Arrival::local);
            scenario.measured(
                    "local share of the lost node's agents",
                    meanwhile.stream()
                                    .filter(ofLost)
                                    .filter(Arrivals.Arrival::local)
                                    .count()
                            / (double) meanwhile.stream().filter(ofLost).count());

            long healed = Arrivals.nowMicros();
            redis.primaries().get(0).restart();
            var back = scenario.arrivals()
                    .await("its agents in Redis", healed, arrival -> ofLost.test(arrival) && !arrival.local());
            scenario.measured("back", Duration.ofNanos((back.decidedAtMicros() - healed) * 1000));
            scenario.flow(500);
            scenario.assertOneDelay(fault);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void decisionsFollowAMovingSlot() {
        try (var redis = RedisCluster.start(3, false);
                var cluster = cluster(redis);
                var scenario = FaultScenario.start("cluster, slots move", cluster)) {
            awaitEveryNode(scenario);
            var agents = IntStream.range(0, 6).mapToObj(i -> "agent-" + i).toList();
            for (String agent : agents) move(redis, scenario, agent);
            scenario.flow(500);
            awaitEveryNode(scenario);
            assertThat(redirected(redis, "ASK")).as("calls of the pipeline").isPositive();
            assertThat(redirected(redis, "MOVED"))
                    .as("calls of the pipeline, beside one of the test's own for each agent")
                    .isGreaterThan(agents.size());
            scenario.assertClean();
        }
    }

    /** Moves the agent's slot to the next primary, as resharding does; traffic goes on in each state. */
    private static void move(RedisCluster redis, FaultScenario scenario, String agent) {
        int slot = slot(agent);
        int owner = redis.primaryOf(slot);
        var from = redis.primaries().get(owner);
        var to = redis.primaries().get((owner + 1) % 3);
        to.text("CLUSTER SETSLOT " + slot + " IMPORTING " + redis.id(from));
        from.text("CLUSTER SETSLOT " + slot + " MIGRATING " + redis.id(to));
        scenario.flow(50);
        assertThat(from.text("MIGRATE 127.0.0.1 " + to.port() + " quota:" + agent + ":tokens 0 1000"))
                .isEqualTo("OK");
        long asking = calls(to);
        await("ASK leads to the other node").atMost(SOON).until(() -> calls(to) > asking);
        awaitByRedis(scenario, agent);
        for (var node : redis.primaries()) node.text("CLUSTER SETSLOT " + slot + " NODE " + redis.id(to));
        awaitByRedis(scenario, agent);
        assertThat(to.ask("EXISTS quota:" + agent + ":tokens")).hasValue(":1");
        assertThat(from.ask("EXISTS quota:" + agent + ":tokens").orElseThrow()).startsWith("-MOVED");
    }

    private static void awaitByRedis(FaultScenario scenario, String agent) {
        scenario.arrivals()
                .await(
                        agent + " decided by Redis",
                        Arrivals.nowMicros(),
                        arrival -> arrival.agent().equals(agent) && !arrival.local());
    }

    private static long calls(RedisServer node) {
        return number(node, "commandstats", "cmdstat_asking:calls=");
    }

    /** Returns how many calls the primaries have sent to another node with this answer. */
    private static long redirected(RedisCluster redis, String answer) {
        return redis.primaries().stream()
                .mapToLong(node -> number(node, "errorstats", "errorstat_" + answer + ":count="))
                .sum();
    }

    private static long number(RedisServer node, String section, String field) {
        return node.text("INFO " + section)
                .lines()
                .filter(line -> line.startsWith(field))
                .mapToLong(line -> Long.parseLong(line.substring(field.length()).replaceFirst("\\D.*", "")))
                .sum();
    }

    @Tag("faults")
    @Test
    void laggingReplicaGivesNothing() {
        try (var redis = RedisCluster.start(3, true);
                var cluster = cluster(redis);
                var scenario = FaultScenario.start("cluster, failover to a replica that lags", cluster)) {
            var primary = redis.primaries().get(0);
            var replica = redis.replicas().get(0);
            replica.freeze();
            primary.ask("CLIENT KILL TYPE replica"); // else its last writes lie in the replica's socket
            scenario.flow(400);
            long fault = Arrivals.nowMicros();
            primary.kill();
            replica.thaw();
            Predicate<Arrivals.Arrival> ofLost = arrival -> redis.primaryOf(slot(arrival.agent())) == 0;
            scenario.arrivals().await("a local decision", fault, arrival -> ofLost.test(arrival) && arrival.local());
            await("the replica is promoted")
                    .atMost(SOON)
                    .ignoreException(IllegalStateException.class)
                    .until(() -> replica.text("INFO replication").contains("role:master"));
            long promoted = Arrivals.nowMicros();
            var back = scenario.arrivals()
                    .await("its agents in Redis", promoted, arrival -> ofLost.test(arrival) && !arrival.local());
            scenario.measured("failover", Duration.ofNanos((back.decidedAtMicros() - fault) * 1000));
            scenario.measured("back after promotion", Duration.ofNanos((back.decidedAtMicros() - promoted) * 1000));
            awaitEveryNode(scenario);
            scenario.flow(500);
            scenario.assertOneDelay(fault);
            assertThat(scenario.metric("tollgate_reconciled_total")).isPositive();
            scenario.assertClean();
        }
    }
}
