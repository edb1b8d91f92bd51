package io.tollgate.failover;

import io.tollgate.bucket.BucketClock;

/** Decides whether Redis is asked, by the results of earlier calls. Thread-safe. */
public interface CallBreaker {
    /** Returns whether Redis is to be asked now. */
    boolean isClosed();

    /** Returns the clock of the node, which continues while the node is away. Each node of a cluster has its own. */
    BucketClock clock();

    /** Notes a call that Redis answered. */
    void answered(long elapsedNanos);

    /** Notes a call that failed or timed out. */
    void failed(long elapsedNanos, Throwable cause);

    /** Opens at once, after a wait that must not happen twice. */
    void open();
}
