package io.tollgate.client;

import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Threads that complete answers, so that dependent code runs neither on the threads that read Redis' answers nor
 * on those that keep timeouts. Code that waits in one answer for another takes no thread away from it, because
 * the pool grows.
 */
final class AnswerThreads implements AutoCloseable {
    private static final int USUAL = 8;
    private static final int MOST = 256;
    private static final int SECONDS_IDLE = 30;

    private final Executor executor;
    private final @Nullable ForkJoinPool own;

    /**
     * @param given is not shut down; null: a pool of daemon threads of our own, which exist only while they are needed
     */
    AnswerThreads(@Nullable Executor given) {
        own = given == null ? start() : null;
        executor = given == null ? Objects.requireNonNull(own) : given;
    }

    /**
     * Runs the task on these threads, or on a new one once they take no more: in the common pool it would wait for
     * others.
     */
    void handOver(Runnable task) {
        try {
            executor.execute(task);
        } catch (Throwable refused) {
            var thread = new Thread(task, "quota-answer");
            thread.setDaemon(true);
            thread.start();
        }
    }

    /** Submitted tasks still run. */
    @Override
    public void close() {
        if (own != null) own.shutdown();
    }

    private static ForkJoinPool start() {
        // The class loader of the code that builds the manager, as in an application server: a pool's own threads
        // would have the system's.
        var loader = Thread.currentThread().getContextClassLoader();
        return new ForkJoinPool(
                USUAL,
                pool -> new Worker(pool, loader),
                null,
                true, // in the order of the answers
                0,
                MOST,
                1,
                pool -> true, // rather wait than throw
                SECONDS_IDLE,
                TimeUnit.SECONDS);
    }

    private static final class Worker extends ForkJoinWorkerThread {
        Worker(ForkJoinPool pool, ClassLoader loader) {
            super(pool);
            setName("quota-answers-" + getPoolIndex());
            setDaemon(true);
            setContextClassLoader(loader);
        }
    }
}
