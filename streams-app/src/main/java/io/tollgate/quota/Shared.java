package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policies;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What all tasks of an instance share. Thread-safe.
 *
 * @param requestsTopic the topic that agents write to
 * @param partitions how many partitions it has
 * @param exactlyOnce whether decisions and offsets are committed together
 * @param redis empty: local buckets only
 * @param tasks the mirror of each task that runs here, by partition; one stream thread uses each
 */
public record Shared(
        String requestsTopic,
        int partitions,
        boolean exactlyOnce,
        Optional<SharedBuckets> redis,
        BucketClock clock,
        Policies policies,
        Sources sources,
        CommittedOffsets committed,
        PipelineMetrics metrics,
        Map<Integer, TaskBuckets> tasks) {

    /** Returns the same without any task yet. */
    public static Shared of(
            String requestsTopic,
            int partitions,
            boolean exactlyOnce,
            Optional<SharedBuckets> redis,
            BucketClock clock,
            Policies policies,
            Sources sources,
            CommittedOffsets committed,
            PipelineMetrics metrics) {
        return new Shared(
                requestsTopic,
                partitions,
                exactlyOnce,
                redis,
                clock,
                policies,
                sources,
                committed,
                metrics,
                new ConcurrentHashMap<>());
    }
}
