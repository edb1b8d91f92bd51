package io.tollgate.client;

import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.TimeUnit;

/**
 * Threads on which answers are completed, so that what depends on them runs neither where Redis' answers are read nor where timeouts are
 * kept. Whoever waits in an answer for another one does not take a thread away from it: the pool grows meanwhile.
 */
final class AnswerThreads {
    private static final int USUAL = 8;
    private static final int MOST = 256;
    private static final int SECONDS_IDLE = 30;

    private AnswerThreads() {}

    /** Returns a pool of daemon threads, which are there only while they are needed. */
    static ForkJoinPool start() {
        // That of whoever builds the manager, as in an application server: a pool's own threads would have the
        // system's.
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
