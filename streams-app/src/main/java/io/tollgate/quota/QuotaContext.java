package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.SourceIds;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policies;
import io.tollgate.redis.BucketKind;
import java.util.Optional;
import java.util.function.IntSupplier;

/**
 * The parts that all tasks of an instance share. Thread-safe.
 *
 * @param requestsTopic the topic that agents write to
 * @param partitions its number of partitions
 * @param recordLimit returns the size of the largest record that can be decided, with key and headers, in bytes; read
 *     for each record
 * @param exactlyOnce whether decisions and offsets are committed together
 * @param redis empty: local buckets only
 * @param clock the clock of the buckets without Redis; otherwise each node of Redis has its own
 * @param callLimits for each task
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
        CallLimits callLimits) {
    /** Returns the time on the clock of these buckets, in microseconds since the epoch. */
    long nowMicros(String agentId, BucketKind kind) {
        return redis.map(each -> each.clock(agentId, kind)).orElse(clock).getAsLong();
    }

    /** Returns the same for buckets in memory. */
    long nowMicros(AgentState buckets) {
        return nowMicros(buckets.agentId(), buckets.kind());
    }
}
