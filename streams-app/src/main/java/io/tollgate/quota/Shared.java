package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policy;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What all tasks of an instance share. Thread-safe.
 *
 * @param requestsTopic the topic that agents write to
 * @param partitions how many partitions it has
 * @param maxRecordBytes key, value and headers of the largest record that can be decided
 * @param exactlyOnce whether decisions and offsets are committed together
 * @param redis empty: local buckets only
 * @param tasks the mirror of each task that runs here, by partition; one stream thread uses each
 */
public record Shared(
        String requestsTopic,
        int partitions,
        int maxRecordBytes,
        boolean exactlyOnce,
        Optional<SharedBuckets> redis,
        BucketClock clock,
        Policy policy,
        Sources sources,
        CommittedOffsets committed,
        PipelineMetrics metrics,
        Map<Integer, TaskBuckets> tasks) {

    /** Returns the same without any task yet. */
    public static Shared of(
            String requestsTopic,
            int partitions,
            int maxRecordBytes,
            boolean exactlyOnce,
            Optional<SharedBuckets> redis,
            BucketClock clock,
            Policy policy,
            Sources sources,
            CommittedOffsets committed,
            PipelineMetrics metrics) {
        return new Shared(
                requestsTopic,
                partitions,
                maxRecordBytes,
                exactlyOnce,
                redis,
                clock,
                policy,
                sources,
                committed,
                metrics,
                new ConcurrentHashMap<>());
    }
}
