package io.tollgate.sandbox.process;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Runs tasks that wait, each on a daemon thread of its own. The common pool is for tasks that compute. It has one
 * thread on two cores (which JDK 25 uses even then), so a waiting task there would stop all others, such as the one
 * that reports the end of a process.
 *
 * <p>Thread-safe.
 */
public final class OwnThread {
    private static final Executor EXECUTOR = task -> {
        var thread = new Thread(task, "sandbox-background");
        thread.setDaemon(true);
        thread.start();
    };

    private OwnThread() {}

    /** Starts the task; the future completes with its result or its exception. */
    public static <T> CompletableFuture<T> supply(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, EXECUTOR);
    }

    /** Starts the task; the future completes when it ends, or with its exception. */
    public static CompletableFuture<Void> run(Runnable task) {
        return CompletableFuture.runAsync(task, EXECUTOR);
    }
}
