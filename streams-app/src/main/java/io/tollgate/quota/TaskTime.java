package io.tollgate.quota;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The time that passes while a task works, and while it waits for Redis. Thread-safe. */
public interface TaskTime {
    /** The time of this process. */
    TaskTime SYSTEM = new TaskTime() {
        @Override
        public long nanoTime() {
            return System.nanoTime();
        }

        @Override
        public <T> CompletableFuture<T> within(CompletableFuture<T> call, long timeoutNanos) {
            return call.orTimeout(timeoutNanos, TimeUnit.NANOSECONDS);
        }

        @Override
        public <T> T await(CompletableFuture<T> call, long timeoutNanos)
                throws ExecutionException, TimeoutException, InterruptedException {
            return call.get(timeoutNanos, TimeUnit.NANOSECONDS);
        }
    };

    /** As {@link System#nanoTime}. */
    long nanoTime();

    /** As {@link CompletableFuture#orTimeout}. */
    <T> CompletableFuture<T> within(CompletableFuture<T> call, long timeoutNanos);

    /** As {@link CompletableFuture#get(long, TimeUnit)}; {@code timeoutNanos} may be 0. */
    <T> T await(CompletableFuture<T> call, long timeoutNanos)
            throws ExecutionException, TimeoutException, InterruptedException;
}
