package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Redis Sentinel under traffic: the primary that it names dies, and a replica takes over. */
class RedisSentinelIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    @Test
    void decisionsFollowTheNewPrimary() {
        var defaults = RedisServer.RedisOptions.defaults();
        try (var primary = RedisServer.start();
                var replica = RedisServer.start(defaults.withReplicaOf(primary.port()));
                var sentinel = RedisServer.start(defaults.asSentinelOf("quotas", primary.port()));
                var cluster = TestCluster.onSharedBroker()
                        .with("REDIS_URL", "redis-sentinel://127.0.0.1:" + sentinel.port() + "/0#quotas")) {
            await("Sentinel knows the replica")
                    .atMost(SOON)
                    .until(() -> sentinel.text("INFO sentinel").contains("slaves=1"));
            try (var scenario = FaultScenario.start("sentinel, failover", cluster)) {
                long fault = Arrivals.nowMicros();
                primary.kill();
                scenario.awaitLocal(fault);
                // A promoted replica ends its connections.
                await("the replica is promoted")
                        .atMost(SOON)
                        .ignoreException(IllegalStateException.class)
                        .until(() -> replica.text("INFO replication").contains("role:master"));
                long promoted = Arrivals.nowMicros();
                var back = scenario.awaitRedis(promoted);
                scenario.measured("back after promotion", back);
                scenario.measured(
                        "failover", Duration.ofNanos((promoted - fault) * 1000).plus(back));
                scenario.flow(500);
                assertThat(TestCluster.bucketsInRedis(replica.uri())).isPositive();
                scenario.assertOneDelay(fault);
                scenario.assertClean();
            }
        }
    }
}
