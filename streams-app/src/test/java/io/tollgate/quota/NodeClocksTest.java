package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisCalls;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResults;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two nodes of a Redis Cluster, one of them an hour behind or ahead. */
class NodeClocksTest {
    private static final long HOUR_MICROS = 3_600_000_000L;
    private static final long START_MICROS = 1_800_000_000_000_000L;
    private static final Limit LIMIT = new Limit(10, 1);

    private final SimulatedTime time = new SimulatedTime();
    private final Map<String, SimulatedBreaker> nodes = Map.of("right", node(), "wrong", node());

    private SimulatedBreaker node() {
        var clock = new BucketClock(START_MICROS, time::nanoTime);
        return new SimulatedBreaker(time, clock, 100_000_000, true, () -> true);
    }

    @ParameterizedTest
    @CsvSource({"right, wrong, -1", "wrong, right, -1", "right, wrong, 1", "wrong, right, 1"})
    void agentsFollowTheirOwnNode(String first, String second, int hours) {
        var metrics = new PipelineMetrics(new SimpleMeterRegistry());
        var calls = new Calls(hours);
        var redis = new RedisGateway(
                calls, (agent, kind) -> nodes.get(agent), Duration.ofSeconds(1), null, metrics, TaskTime.SYSTEM, 0);
        var context = new QuotaContext(
                "requests",
                1,
                () -> 1_000_000,
                true,
                Optional.of(redis),
                new BucketClock(),
                new Policies(Policy.byDefault(LIMIT), () -> {}),
                (topic, partition) -> 1,
                new CommittedOffsets(),
                metrics,
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL);

        for (var agent : List.of(first, second)) redis.send(List.of(SpendRequest.unordered(agent, LIMIT, 1, null)));

        assertThat(context.nowMicros("right", BucketKind.ENFORCED)).isCloseTo(START_MICROS, within(1_000_000L));
        assertThat(context.nowMicros("wrong", BucketKind.ENFORCED))
                .isCloseTo(START_MICROS + hours * HOUR_MICROS, within(1_000_000L));
    }

    /** Answers at once, by the clock of the agent's node, and decides nothing. */
    private record Calls(int hours) implements RedisCalls {
        @Override
        public boolean isCluster() {
            return true;
        }

        @Override
        public CompletableFuture<SpendResults> spend(List<SpendRequest> spends) {
            boolean wrong = spends.get(0).agentId().equals("wrong");
            long clockMicros = START_MICROS + (wrong ? hours * HOUR_MICROS : 0);
            return CompletableFuture.completedFuture(new SpendResults(clockMicros, List.of()));
        }

        @Override
        public CompletableFuture<SpendResults> look(SpendRequest spend) {
            return CompletableFuture.failedFuture(new UnsupportedOperationException());
        }

        @Override
        public CompletionStage<Void> reset(String agentId, BucketKind kind, Promises promises) {
            return CompletableFuture.failedFuture(new UnsupportedOperationException());
        }

        @Override
        public void close() {}
    }
}
