package io.tollgate.bucket;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.LongSupplier;

/**
 * Microseconds since the epoch that pass evenly: the wall clock is read once, and the monotonic clock carries on from there,
 * so that a jump of the host's clock mints nothing. Follows the clock of Redis where there is one. Thread-safe.
 */
public final class BucketClock implements LongSupplier {
    private final LongSupplier monotonicNanos;
    private volatile long epochMicrosAtZero;

    public BucketClock() {
        this(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()), System::nanoTime);
    }

    /**
     * Begins at this time, and carries on by another clock than that of the process.
     *
     * @param monotonicNanos never goes back
     */
    public BucketClock(long epochMicros, LongSupplier monotonicNanos) {
        this.monotonicNanos = monotonicNanos;
        follow(epochMicros);
    }

    /** Sets the clock to what Redis has just said. Its answer is a little old by now, which errs to the side of refusing. */
    public void follow(long redisMicros) {
        epochMicrosAtZero = redisMicros - monotonicNanos.getAsLong() / 1000;
    }

    @Override
    public long getAsLong() {
        return epochMicrosAtZero + monotonicNanos.getAsLong() / 1000;
    }
}
