package io.tollgate.client;

import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.TimeUnit;

/**
 * Threads that complete answers, so that dependent code runs neither on the threads that read Redis' answers nor
 * on those that keep timeouts. Code that waits in one answer for another takes no thread away from it, because
 * the pool grows.
 */
final class AnswerThreads {
    private static final int USUAL = 8;
    private static final int MOST = 256;
    private static final int SECONDS_IDLE = 30;

    private AnswerThreads() {}

    /** Returns a pool of daemon threads, which exist only while they are needed. */
    static ForkJoinPool start() {
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
