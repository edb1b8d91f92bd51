package io.tollgate.failover;

import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The time in which calls are answered, or not. Thread-safe. */
interface CallTime extends AutoCloseable {
    /** Returns a reading that never goes back, in nanoseconds. */
    long nanoTime();

    /** Runs this after the delay, unless what is returned is run before. It must not wait. */
    Runnable after(long delayNanos, Runnable task);

    @Override
    void close();

    /**
     * Returns the time of this process, with a thread of its own for what is due: neither the client's threads, which have answers to
     * read, nor the one timer of the JVM, which others need.
     */
    static CallTime ofProcess() {
        var timer = new ScheduledThreadPoolExecutor(1, task -> {
            var thread = new Thread(task, "quota-timeout");
            thread.setDaemon(true);
            return thread;
        });
        timer.setRemoveOnCancelPolicy(true); // nearly every call is answered long before it is due
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
                    task.run(); // nobody will be asked any more
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
