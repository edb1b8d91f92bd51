package io.tollgate.failover;

/** Decides whether Redis is asked, by what came of the calls before. Thread-safe. */
public interface CallBreaker {
    /** Returns whether Redis is to be asked now. */
    boolean isClosed();

    /** Notes a call that Redis answered. */
    void answered(long elapsedNanos);

    /** Notes a call that failed, or had no answer in time. */
    void failed(long elapsedNanos, Throwable cause);

    /** Stops asking Redis at once, after a wait that nobody should have twice. */
    void open();
}
