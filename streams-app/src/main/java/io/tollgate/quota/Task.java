package io.tollgate.quota;

import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.quota.TaskOutput.BucketReset;
import java.util.function.Consumer;
import org.apache.kafka.streams.processor.api.ProcessorContext;

/** What decides the requests of one partition, and of its strays. For one stream thread alone, unless a type says otherwise. */
record Task(
        TaskOffsets offsets,
        AgentCache cache,
        TaskActivity activity,
        AgentQueries queries,
        SendQueue queue,
        TaskDecider decider,
        TaskTimer timer) {

    /**
     * Starts; to be called while the processor is being initialized.
     *
     * @param rekeyedTopic the internal topic through which strays come home
     * @param resets is told of each bucket that is filled, at once and on the stream thread: what it writes is committed with the filling
     */
    static Task start(
            QuotaContext shared,
            BucketStore store,
            String rekeyedTopic,
            ProcessorContext<?, ?> context,
            Consumer<BucketReset> resets) {
        int partition = context.taskId().partition();
        var sources = TaskSources.of(shared.sources(), shared.requestsTopic(), rekeyedTopic, partition);
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
                shared.callLimits().storedAnswers());
        var activity = new TaskActivity();
        var untold = new UntoldBuckets(shared, cache, offsets);
        var queries = new AgentQueries(shared, cache, offsets, activity, untold, resets);
        var queue = new SendQueue(shared, cache, offsets);
        var decider = new TaskDecider(shared, cache, offsets, activity, queue, untold);
        var timer = new TaskTimer(context, shared, cache, activity, queries);
        return new Task(offsets, cache, activity, queries, queue, decider, timer);
    }

    /** Writes to the store what must be committed with what the task commits now. */
    void beforeCommit() {
        cache.beforeCommit();
        offsets.beforeCommit();
    }
}
