package io.tollgate.failover;

/** Observes each call to Redis, on a thread that must not wait. Thread-safe. */
public interface CallObserver {
    /** An observer that ignores all calls. */
    CallObserver NOBODY = new CallObserver() {
        @Override
        public void answered(long elapsedNanos) {}

        @Override
        public void timedOut(long elapsedNanos) {}

        @Override
        public void failed(long elapsedNanos) {}
    };

    /** Redis answered in time. */
    void answered(long elapsedNanos);

    /** Redis did not answer in time. */
    void timedOut(long elapsedNanos);

    /** Redis refused the call, or was away. */
    void failed(long elapsedNanos);
}
