package io.tollgate.quota;

import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.quota.TaskOutput.HoldEnded;
import java.util.function.Consumer;
import org.apache.kafka.streams.processor.api.ProcessorContext;

/**
 * What decides the requests of one partition, and of its strays. For one stream thread alone, unless a type says
 * otherwise.
 */
record Task(
        TaskOffsets offsets,
        AgentCache cache,
        TaskActivity activity,
        AgentQueries queries,
        SendQueue queue,
        TaskDecider decider,
        OpenHolds open,
        TaskHolds holds,
        TaskTimer timer) {

    /**
     * Starts; to be called while the processor is being initialized.
     *
     * @param open what is reserved
     * @param topics the topics of which the task reads one partition each
     * @param expired is told of each hold whose deadline passed, likewise
     * @param resets is told of each bucket that is filled, at once and on the stream thread: what it writes is
     *     committed with the filling
     */
    static Task start(
            QuotaContext shared,
            BucketStore store,
            OpenHolds open,
            TaskTopics topics,
            ProcessorContext<?, ?> context,
            Consumer<HoldEnded> expired,
            Consumer<BucketReset> resets) {
        int partition = context.taskId().partition();
        var sources = TaskSources.of(shared.sources(), topics, partition);
        var offsets = new TaskOffsets(
                sources,
                shared.sources(),
                shared.committed(),
                shared.exactlyOnce() ? store.wrapped() : null,
                shared.metrics());
        var cache = new AgentCache(
                store,
                shared.policies(),
                shared.partitions(),
                shared.callLimits().storedAnswers(),
                (agentId, kind) -> TokenBucket.seconds(shared.nowMicros(agentId, kind)));
        var activity = new TaskActivity();
        var untold = new UntoldBuckets(shared, cache, offsets);
        var queries = new AgentQueries(shared, cache, offsets, activity, open, untold, resets);
        var queue = new SendQueue(shared, cache, offsets, open);
        var decider = new TaskDecider(shared, cache, offsets, activity, queue, untold);
        var holds = new TaskHolds(shared, cache, open, decider, expired);
        var timer = new TaskTimer(context, shared, cache, activity, queries, holds);
        return new Task(offsets, cache, activity, queries, queue, decider, open, holds, timer);
    }

    /** Writes to the store what must be committed with what the task commits now. */
    void beforeCommit() {
        cache.beforeCommit();
        offsets.beforeCommit();
    }
}
