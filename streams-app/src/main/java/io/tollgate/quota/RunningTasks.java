package io.tollgate.quota;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The tasks that run in this process. Thread-safe; one stream thread uses each task. */
public final class RunningTasks {
    private final Map<Integer, Task> byPartition = new ConcurrentHashMap<>();
    private final QuotaContext shared;

    public RunningTasks(QuotaContext shared) {
        this.shared = shared;
    }

    /** Returns what the tasks share. */
    public QuotaContext shared() {
        return shared;
    }

    Map<Integer, Task> byPartition() {
        return byPartition;
    }

    /** Wakes the tasks of this stream thread that were idle, and that have something to do without a record. */
    public void wakeAsked() {
        byPartition.values().forEach(task -> task.timer().wakeIfAsked());
    }

    /** Asks Streams to commit what the tasks of this stream thread have processed. */
    public void requestCommit() {
        byPartition.values().forEach(task -> task.timer().requestCommit());
    }

    /** Returns how old the mirror of the task is that is furthest behind, in seconds; 0 where all is stored. */
    public double mirrorAgeSeconds() {
        return byPartition.values().stream()
                .mapToDouble(task -> task.cache().ageSeconds())
                .max()
                .orElse(0);
    }

    /** Returns how many holds are open. */
    public double openHolds() {
        return byPartition.values().stream()
                .mapToInt(task -> task.open().open())
                .sum();
    }

    /** Returns how many agents' buckets are in memory. */
    public double mirrorAgents() {
        return byPartition.values().stream()
                .mapToInt(task -> task.cache().agentsInMemory())
                .sum();
    }
}
