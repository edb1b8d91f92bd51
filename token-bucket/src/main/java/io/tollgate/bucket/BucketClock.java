package io.tollgate.bucket;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.LongSupplier;

/**
 * A clock in microseconds since the epoch that never jumps. It reads the wall clock once, and then follows the
 * monotonic clock, so that a jump of the host's clock mints nothing. With Redis, it follows the clock of
 * Redis. Thread-safe.
 */
public final class BucketClock implements LongSupplier {
    private final LongSupplier monotonicNanos;
    private volatile long epochMicrosAtZero;

    public BucketClock() {
        this(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()), System::nanoTime);
    }

    /**
     * Begins at this time, and follows the given clock instead of the process's own.
     *
     * @param monotonicNanos never goes back
     */
    public BucketClock(long epochMicros, LongSupplier monotonicNanos) {
        this.monotonicNanos = monotonicNanos;
        follow(epochMicros);
    }

    /**
     * Sets the clock to the time of Redis' latest answer. The answer is slightly old by now, which errs on the side
     * of refusing.
     */
    public void follow(long redisMicros) {
        epochMicrosAtZero = redisMicros - monotonicNanos.getAsLong() / 1000;
    }

    @Override
    public long getAsLong() {
        return epochMicrosAtZero + monotonicNanos.getAsLong() / 1000;
    }
}
