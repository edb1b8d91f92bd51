package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.SourceIds;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policies;
import io.tollgate.redis.BucketKind;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntSupplier;

/**
 * What all tasks of an instance share. Thread-safe.
 *
 * @param requestsTopic the topic that agents write to
 * @param partitions how many partitions it has
 * @param recordLimit key, value and headers of the largest record that can be decided, in bytes; asked for with each record
 * @param exactlyOnce whether decisions and offsets are committed together
 * @param redis empty: local buckets only
 * @param clock of the buckets where Redis is not used; else each node of Redis has its own
 * @param callLimits for each task
 * @param tasks the mirror of each task that runs here, by partition; one stream thread uses each
 */
public record QuotaContext(
        String requestsTopic,
        int partitions,
        IntSupplier recordLimit,
        boolean exactlyOnce,
        Optional<RedisGateway> redis,
        BucketClock clock,
        Policies policies,
        SourceIds sources,
        CommittedOffsets committed,
        PipelineMetrics metrics,
        StreamThreadWatch watch,
        TaskTime time,
        CallLimits callLimits,
        Map<Integer, TaskDecider> tasks) {

    /** Returns key, value and headers of the largest record that can be decided now. */
    public int maxRecordBytes() {
        return recordLimit.getAsInt();
    }

    /** Returns the same without any task yet. */
    public static QuotaContext of(
            String requestsTopic,
            int partitions,
            IntSupplier recordLimit,
            boolean exactlyOnce,
            Optional<RedisGateway> redis,
            BucketClock clock,
            Policies policies,
            SourceIds sources,
            CommittedOffsets committed,
            PipelineMetrics metrics,
            StreamThreadWatch watch) {
        return new QuotaContext(
                requestsTopic,
                partitions,
                recordLimit,
                exactlyOnce,
                redis,
                clock,
                policies,
                sources,
                committed,
                metrics,
                watch,
                TaskTime.SYSTEM,
                CallLimits.USUAL,
                new ConcurrentHashMap<>());
    }

    /** Returns the time by which these buckets are decided, microseconds since the epoch. */
    long nowMicros(String agentId, BucketKind kind) {
        return redis.map(each -> each.clock(agentId, kind)).orElse(clock).getAsLong();
    }

    /** Returns the same of buckets that are in memory. */
    long nowMicros(AgentState buckets) {
        return nowMicros(buckets.agent().id(), buckets.kind());
    }

    /** Wakes the tasks of this stream thread that were idle, and that somebody has asked something. */
    public void wakeAskedTasks() {
        tasks.values().forEach(TaskDecider::wakeIfAsked);
    }

    /** Returns how old the mirror of the task is that is furthest behind, in seconds; 0 where all is stored. */
    public double mirrorAgeSeconds() {
        return tasks.values().stream()
                .mapToDouble(task -> task.cache().ageSeconds())
                .max()
                .orElse(0);
    }

    /** Returns how many agents' buckets are in memory. */
    public double mirrorAgents() {
        return tasks.values().stream()
                .mapToInt(task -> task.cache().agentsInMemory())
                .sum();
    }
}
