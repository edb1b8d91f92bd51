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

/** Shows agents whose tasks run here, and resets their buckets. Thread-safe; never waits. */
public final class AgentInspector {
    private final RunningTasks tasks;

    public AgentInspector(RunningTasks tasks) {
        this.tasks = tasks;
    }

    /**
     * Returns the name of the store with the agents' buckets, by which Streams finds the instance that holds an agent.
     */
    public String store() {
        return BucketStore.NAME;
    }

    /** Returns whether the agent's task runs here. */
    public boolean holds(String agentId) {
        return tasks.byPartition().containsKey(partition(agentId));
    }

    /**
     * Returns the agent as it is now, as soon as its task's thread is free.
     *
     * @return fails with a {@link RejectedExecutionException} if the task does not run here, or has too many questions
     * @throws IllegalArgumentException if the id is not legal
     */
    public CompletableFuture<AgentView> look(String agentId) {
        return ask(agentId, (queries, answer) -> queries.look(agentId, answer));
    }

    /**
     * Resets the agent's bucket, also in Redis once that is available, and sends an event; returns the agent, as {@link
     * #look} does, once that is committed.
     *
     * @param by the author: {@code api:} and an address
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

    /** Returns the agents of local tasks refused most within the last one to two minutes, most first. */
    public List<Throttled> mostThrottled() {
        return tasks.byPartition().values().stream()
                .flatMap(task -> task.activity().mostThrottled().stream())
                .sorted(Comparator.comparingLong(Throttled::refusals).reversed())
                .limit(TaskActivity.SHOWN)
                .toList();
    }

    /** Returns the scores of shadow policies, from the tasks that run here; a policy may have several. */
    public List<ShadowScore> shadowScores() {
        return tasks.byPartition().values().stream()
                .flatMap(task -> task.activity().shadowScores().stream())
                .toList();
    }
}
