package io.tollgate.quota;

import io.tollgate.bucket.AgentId;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.mirror.BucketStore;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiConsumer;

/** Looks at agents whose tasks run here, and fills their buckets, for people and tools. Thread-safe; never waits. */
public final class AgentInspector {
    private final RunningTasks tasks;

    public AgentInspector(RunningTasks tasks) {
        this.tasks = tasks;
    }

    /** Returns the name of the store that holds the agents' buckets, by which Streams finds out where an agent is held. */
    public String store() {
        return BucketStore.NAME;
    }

    /** Returns whether the agent's task runs here. */
    public boolean holds(String agentId) {
        return tasks.byPartition().containsKey(partition(agentId));
    }

    /**
     * Returns the agent as it stands now, as soon as its task's thread has a moment.
     *
     * @return fails with a {@link RejectedExecutionException} if the task does not run here, or is asked too much
     * @throws IllegalArgumentException if the id is not legal
     */
    public CompletableFuture<AgentView> look(String agentId) {
        return ask(agentId, (queries, answer) -> queries.look(agentId, answer));
    }

    /**
     * Fills the agent's bucket, in Redis as well, be it when Redis is back, and puts it on record; returns the agent, as {@link #look}
     * does, once that is committed.
     *
     * @param by who: {@code api:} and an address
     */
    public CompletableFuture<AgentView> reset(String agentId, String by) {
        return ask(agentId, (queries, answer) -> queries.reset(agentId, by, answer));
    }

    private CompletableFuture<AgentView> ask(
            String agentId, BiConsumer<AgentQueries, CompletableFuture<AgentView>> question) {
        var task = tasks.byPartition().get(partition(AgentId.require(agentId)));
        if (task == null) {
            return CompletableFuture.failedFuture(new RejectedExecutionException("the agent's task does not run here"));
        }
        try {
            var queries = task.queries();
            return queries.mailbox().ask(answer -> question.accept(queries, answer));
        } catch (RejectedExecutionException tooMany) {
            return CompletableFuture.failedFuture(tooMany);
        }
    }

    private int partition(String agentId) {
        return RecordClassifier.partitionOf(
                agentId.getBytes(StandardCharsets.UTF_8), tasks.shared().partitions());
    }

    /** Returns who was refused most within the last one to two minutes, of the tasks that run here; most first. */
    public List<Throttled> mostThrottled() {
        return tasks.byPartition().values().stream()
                .flatMap(task -> task.activity().mostThrottled().stream())
                .sorted(Comparator.comparingLong(Throttled::refusals).reversed())
                .limit(TaskActivity.SHOWN)
                .toList();
    }

    /** Returns what each policy in shadow mode would have done, of the tasks that run here; a policy may come several times. */
    public List<ShadowScore> shadowScores() {
        return tasks.byPartition().values().stream()
                .flatMap(task -> task.activity().shadowScores().stream())
                .toList();
    }
}
