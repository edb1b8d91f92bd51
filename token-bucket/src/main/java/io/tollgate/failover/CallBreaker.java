package io.tollgate.failover;

import io.tollgate.bucket.BucketClock;

/** Decides whether Redis is asked, by what came of the calls before. Thread-safe. */
public interface CallBreaker {
    /** Returns whether Redis is to be asked now. */
    boolean isClosed();

    /** Returns the clock of the node, which goes on while it is away. Each node of a cluster has its own. */
    BucketClock clock();

    /** Notes a call that Redis answered. */
    void answered(long elapsedNanos);

    /** Notes a call that failed, or had no answer in time. */
    void failed(long elapsedNanos, Throwable cause);

    /** Stops asking Redis at once, after a wait that nobody should have twice. */
    void open();
}
