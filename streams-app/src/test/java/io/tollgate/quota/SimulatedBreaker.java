package io.tollgate.quota;

import io.tollgate.bucket.BucketClock;
import io.tollgate.failover.CallBreaker;
import java.util.ArrayDeque;
import java.util.Deque;

/** Opens and closes by the same counts as {@link io.tollgate.failover.NodeBreaker}, in simulated time. */
final class SimulatedBreaker implements CallBreaker {
    private static final int WINDOW_CALLS = 10;
    private static final int CALLS_UNTIL_OPEN = 5;
    private static final long PROBE_INTERVAL_MICROS = 500_000;
    private static final int PROBES = 3;

    private enum Call {
        FINE,
        SLOW,
        FAILED
    }

    private final SimulatedTime time;
    private final BucketClock clock;
    private final long slowNanos;
    /** Tells whether a probe made now would be answered in time. */
    private final java.util.function.BooleanSupplier answers;

    private final Deque<Call> calls = new ArrayDeque<>();
    private boolean closed;
    private boolean ended;
    private int probesAnswered;
    private int closings;

    SimulatedBreaker(
            SimulatedTime time,
            BucketClock clock,
            long timeoutNanos,
            boolean closed,
            java.util.function.BooleanSupplier answers) {
        this.time = time;
        this.clock = clock;
        this.slowNanos = timeoutNanos / 4 * 3;
        this.closed = closed;
        this.answers = answers;
        if (!closed) probeAfter(PROBE_INTERVAL_MICROS);
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public BucketClock clock() {
        return clock;
    }

    @Override
    public void answered(long elapsedNanos) {
        note(elapsedNanos > slowNanos ? Call.SLOW : Call.FINE);
    }

    @Override
    public void failed(long elapsedNanos, Throwable cause) {
        note(Call.FAILED);
    }

    private void note(Call call) {
        if (!closed) return;
        calls.addLast(call);
        if (calls.size() > WINDOW_CALLS) calls.removeFirst();
        if (calls.size() < CALLS_UNTIL_OPEN) return;
        long failed = calls.stream().filter(each -> each == Call.FAILED).count();
        long slow = calls.stream().filter(each -> each == Call.SLOW).count();
        if (failed * 2 >= calls.size() || slow * 10 >= calls.size() * 8L) open();
    }

    @Override
    public void open() {
        if (!closed) return;
        closed = false;
        calls.clear();
        probesAnswered = 0;
        probeAfter(PROBE_INTERVAL_MICROS);
    }

    private void probeAfter(long micros) {
        time.after(micros, () -> {
            if (ended || closed) return;
            if (!answers.getAsBoolean()) {
                probesAnswered = 0;
                probeAfter(PROBE_INTERVAL_MICROS);
            } else if (++probesAnswered < PROBES) {
                probeAfter(1_000);
            } else {
                closed = true;
                closings++;
            }
        });
    }

    /** Returns how often it has closed: each time an outage has ended. */
    int closings() {
        return closings;
    }

    void end() {
        ended = true;
    }
}
