package io.tollgate.kafka;

import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A task that is repeated on a daemon thread of its own until it is closed, whatever it throws. Thread-safe. */
public final class RepeatedTask implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RepeatedTask.class);

    private final String name;
    private final long everyMillis;
    private final Work task;
    private final ScheduledExecutorService thread;

    /** What is done each time; it should catch the failures that it expects. */
    public interface Work {
        void run() throws Exception;
    }

    /**
     * @param name the name of the thread
     * @param everyMillis the time from the end of one run to the start of the next: after the process was frozen,
     *     missed runs are not made up for
     */
    public RepeatedTask(String name, long everyMillis, Work task) {
        this.name = name;
        this.everyMillis = everyMillis;
        this.task = task;
        this.thread = Executors.newSingleThreadScheduledExecutor(started -> {
            var daemon = new Thread(started, name);
            daemon.setDaemon(true);
            return daemon;
        });
    }

    /** Begins to repeat the task, after so long; does not wait. */
    public void startAfter(long delayMillis) {
        thread.scheduleWithFixedDelay(this::run, delayMillis, everyMillis, TimeUnit.MILLISECONDS);
    }

    /** Runs the task once more, as soon as no other run is under way; does not wait. */
    public void runSoon() {
        try {
            thread.execute(this::run);
        } catch (RejectedExecutionException closed) {
            log.debug("{} is closed", name);
        }
    }

    private void run() {
        try {
            task.run();
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
        } catch (Throwable unexpected) { // a scheduled task that throws is never run again, and nobody is told
            log.error("{} failed, and will be tried again", name, unexpected);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
