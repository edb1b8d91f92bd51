package io.tollgate.quota;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.ingest.Request;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policy;
import io.tollgate.redis.Spend;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.jspecify.annotations.Nullable;

/**
 * Decides each request of one task's agents: in Redis while it answers, in the mirror while it does not. Nothing is pending when
 * {@code process} returns.
 */
public final class DecideRequests extends ContextualProcessor<byte[], Request, byte[], Decided> {
    private static final Duration WRITE_BEHIND_INTERVAL = Duration.ofSeconds(2);
    private static final Duration SWEEP_INTERVAL = Duration.ofSeconds(10);

    /**
     * What all tasks of an instance share. Thread-safe.
     *
     * @param shared empty: local buckets only
     */
    public record Shared(
            Optional<SharedBuckets> shared,
            BucketClock clock,
            Policy policy,
            Sources sources,
            CommittedOffsets committed,
            PipelineMetrics metrics) {}

    private final Shared shared;
    private @Nullable Mirror mirror;

    public DecideRequests(Shared shared) {
        this.shared = shared;
    }

    /** Returns the store of the mirror: changelogged, in RocksDB, written once for each agent and commit. */
    public static StoreBuilder<KeyValueStore<String, byte[]>> storeBuilder() {
        return Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore(Mirror.STORE), Serdes.String(), Serdes.ByteArray())
                .withCachingEnabled()
                .withLoggingEnabled(Map.of());
    }

    @Override
    public void init(ProcessorContext<byte[], Decided> context) {
        super.init(context);
        KeyValueStore<String, byte[]> store = context.getStateStore(Mirror.STORE);
        var opened = new Mirror(store, agentId -> shared.policy().limit());
        mirror = opened;
        context.schedule(WRITE_BEHIND_INTERVAL, PunctuationType.WALL_CLOCK_TIME, time -> opened.writeBehind());
        context.schedule(
                SWEEP_INTERVAL,
                PunctuationType.WALL_CLOCK_TIME,
                time -> opened.sweep(TokenBucket.seconds(shared.clock().getAsLong())));
    }

    @Override
    public void process(Record<byte[], Request> record) {
        var request = record.value();
        var decision = decide(request);
        shared.metrics().decided(decision);
        context().forward(record.withValue(new Decided(request, shared.policy(), decision)));
    }

    private Decision decide(Request request) {
        var position = context().recordMetadata().orElseThrow();
        long source = shared.sources().idOf(position.topic(), position.partition());
        long committed = shared.committed().of(new TopicPartition(position.topic(), position.partition()));
        var charge = new Charge(position.offset(), request.costTokens());
        var limit = shared.policy().limit();
        var agentId = request.agentId();
        var mirror = java.util.Objects.requireNonNull(this.mirror);
        var known = mirror.find(agentId);
        var fence = known.map(bucket -> bucket.fence(source)).orElse(Fence.NONE);

        if (shared.shared().isPresent()) {
            var copy = known.map(bucket -> new Spend.Copy(bucket.bucket(), fence, bucket.decidedWithoutRedis()));
            var spend = new Spend(agentId, limit, List.of(charge), source, committed, copy.orElse(null));
            var answer = shared.shared().get().spend(spend);
            if (answer.isPresent()) {
                var decision = answer.get().decisions().get(0);
                keep(agentId, known, answer.get().bucket(), source, after(fence, charge, decision, committed), false);
                return decision;
            }
        }
        long now = shared.clock().getAsLong();
        var bucket = known.map(MirroredBucket::bucket).orElseGet(() -> Bucket.full(limit, TokenBucket.seconds(now)));
        var outcome = TokenBucket.spend(bucket, fence, limit, committed, List.of(charge), now, DecidedBy.LOCAL);
        shared.metrics().replayed(outcome.replays());
        keep(agentId, known, outcome.bucket(), source, outcome.fence(), true);
        return outcome.decisions().get(0);
    }

    /** Returns our fence after Redis decided: what it must answer again if Redis forgets, and the mirror decides. */
    private static Fence after(Fence fence, Charge charge, Decision decision, long committed) {
        if (charge.offset() <= fence.lastOffset()) return fence;
        return fence.uncommitted(committed)
                .plus(new Fence.Group(
                        charge.offset(),
                        decision.decidedAtMicros(),
                        decision.remainingTokens(),
                        decision.isApproved(),
                        List.of()));
    }

    private void keep(
            String agentId,
            Optional<MirroredBucket> before,
            Bucket bucket,
            long source,
            Fence fence,
            boolean withoutRedis) {
        var empty = new MirroredBucket(bucket, Map.of(), withoutRedis);
        java.util.Objects.requireNonNull(mirror)
                .keep(agentId, before.orElse(empty).after(bucket, source, fence, withoutRedis));
    }
}
