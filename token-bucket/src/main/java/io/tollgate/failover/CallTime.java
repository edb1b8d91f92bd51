package io.tollgate.failover;

import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The clock and timer for the deadlines of calls. Thread-safe. */
interface CallTime extends AutoCloseable {
    /** Returns a reading that never goes back, in nanoseconds. */
    long nanoTime();

    /** Runs the task after the delay, and returns a task that cancels it. The task must not wait. */
    Runnable after(long delayNanos, Runnable task);

    @Override
    void close();

    /**
     * Returns the time of this process, with a separate thread for due tasks: the client's threads have answers to
     * read, and the JVM's common timer has other users.
     */
    static CallTime ofProcess() {
        var timer = new ScheduledThreadPoolExecutor(1, task -> {
            var thread = new Thread(task, "quota-timeout");
            thread.setDaemon(true);
            return thread;
        });
        timer.setRemoveOnCancelPolicy(true); // nearly every call is answered long before its deadline
        return new CallTime() {
            @Override
            public long nanoTime() {
                return System.nanoTime();
            }

            @Override
            public Runnable after(long delayNanos, Runnable task) {
                try {
                    var due = timer.schedule(task, delayNanos, TimeUnit.NANOSECONDS);
                    return () -> due.cancel(false);
                } catch (RejectedExecutionException closed) {
                    task.run(); // no call will be sent any more
                    return () -> {};
                }
            }

            @Override
            public void close() {
                timer.shutdownNow().forEach(Runnable::run);
            }
        };
    }
}
