package io.tollgate.kafka;

import java.util.function.Supplier;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.utils.Time;

/**
 * The wall clock at the start, advanced by the monotonic clock. Kafka Streams commits and punctuates by it; by the wall
 * clock it would do neither for an hour after the host's clock was set back by an hour. Thread-safe.
 */
public final class MonotonicTime implements Time {
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final long startMillis = System.currentTimeMillis();
    private final long startNanos = System.nanoTime();

    @Override
    public long milliseconds() {
        return startMillis + (nanoseconds() - startNanos) / NANOS_PER_MILLI;
    }

    @Override
    public long nanoseconds() {
        return System.nanoTime();
    }

    @Override
    public void sleep(long millis) {
        Time.SYSTEM.sleep(millis);
    }

    @Override
    public void waitObject(Object monitor, Supplier<Boolean> condition, long deadlineMillis)
            throws InterruptedException {
        synchronized (monitor) {
            while (!condition.get()) {
                long left = deadlineMillis - milliseconds();
                if (left <= 0) throw new TimeoutException("condition not satisfied before deadline");
                monitor.wait(left);
            }
        }
    }
}
