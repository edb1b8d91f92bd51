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

    /** Returns the context that the tasks share. */
    public QuotaContext shared() {
        return shared;
    }

    Map<Integer, Task> byPartition() {
        return byPartition;
    }

    /** Wakes the idle tasks of this stream thread that have work without a record. */
    public void wakeAsked() {
        byPartition.values().forEach(task -> task.timer().wakeIfAsked());
    }

    /** Asks Streams to commit what the tasks of this stream thread have processed. */
    public void requestCommit() {
        byPartition.values().forEach(task -> task.timer().requestCommit());
    }

    /** Returns the age of the mirror that is furthest behind, in seconds; 0 if everything is stored. */
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
