package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisURI;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Limit;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.EmptyStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** What tasks share that a test makes and drives by hand, on a real Redis. */
abstract class TasksOnRedis {
    static final String TOPIC = "requests";
    static final String REKEYED = "rekeyed";

    final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    final BucketClock clock = new BucketClock();

    private final PipelineMetrics metrics = new PipelineMetrics(registry);

    @TempDir
    private Path dir;

    private RedisServer redis;
    private RedisGateway buckets;

    @BeforeEach
    void open() {
        redis = RedisServer.start();
        buckets = RedisGateway.start(new RedisBuckets(RedisURI.create(redis.uri())), Duration.ofSeconds(5), metrics);
    }

    @AfterEach
    void close() {
        buckets.close();
        redis.close();
    }

    /** Sends a command as one would type it. */
    void askRedis(String command) {
        assertThat(redis.ask(command)).as(command).hasValue("+OK");
    }

    /** Returns what another program finds in the agent's bucket. */
    String tokensOf(String agentId) {
        var script = "return {ok=redis.call('hget',KEYS[1],'tokens')}"; // in one line
        return redis.ask("EVAL \"" + script + "\" 1 quota:" + agentId + ":tokens")
                .orElseThrow()
                .substring(1);
    }

    QuotaContext shared(Limit limit, CommittedOffsets committed) {
        return shared(limit, committed, true);
    }

    QuotaContext shared(Limit limit, CommittedOffsets committed, boolean exactlyOnce) {
        return new QuotaContext(
                TOPIC,
                1,
                () -> 1_000_000,
                exactlyOnce,
                Optional.of(buckets),
                clock,
                new Policies(Policy.byDefault(limit), () -> {}),
                (topic, partition) -> topic.hashCode(),
                committed,
                metrics,
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL);
    }

    /** Returns a task of partition 0 whose timer never runs. */
    static Task task(QuotaContext shared, BucketStore store) {
        return task(shared, store, 0);
    }

    /** As above, of this partition. */
    static Task task(QuotaContext shared, BucketStore store, int partition) {
        return task(shared, store, new OpenHolds(new SimulatedStore(OpenHolds.STORE, Map.of())), partition);
    }

    /** As the first one, with these holds open. */
    static Task task(QuotaContext shared, BucketStore store, OpenHolds holds) {
        return task(shared, store, holds, 0);
    }

    private static Task task(QuotaContext shared, BucketStore store, OpenHolds holds, int partition) {
        var context =
                new SimulatedContext<String, String>(partition, Map.of(), new SimulatedTime(), (record, child) -> {});
        var topics = new TaskTopics(TOPIC, REKEYED, "usage", "rekeyed-usage");
        return Task.start(shared, store, holds, topics, context, ended -> {}, reset -> {});
    }

    /** Returns what Redis holds for the agent. */
    String redisHolds() {
        return redis.text("HGET quota:agent:tokens tokens");
    }

    /** Returns an empty store: what a crash leaves of a mirror that was never written. */
    BucketStore store() {
        return EmptyStore.in(dir);
    }
}
