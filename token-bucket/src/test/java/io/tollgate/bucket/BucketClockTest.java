package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class BucketClockTest {
    private final AtomicLong nanos = new AtomicLong(-5_000_000_000L); // nanoTime may be negative

    @Test
    void followsMonotonicTime() {
        var clock = new BucketClock(1_000_000, nanos::get);

        assertThat(clock.getAsLong()).isEqualTo(1_000_000);
        nanos.addAndGet(1_500_000);
        assertThat(clock.getAsLong()).isEqualTo(1_001_500);
    }

    @Test
    void continuesFromRedisTime() {
        var clock = new BucketClock(1_000_000, nanos::get);

        clock.follow(77_000_000);
        nanos.addAndGet(2_000);

        assertThat(clock.getAsLong()).isEqualTo(77_000_002);
    }

    @Test
    void neverStepsBack() {
        var clock = new BucketClock();
        long before = clock.getAsLong();
        for (int i = 0; i < 100_000; i++) {
            long now = clock.getAsLong();
            assertThat(now).isGreaterThanOrEqualTo(before);
            before = now;
        }
    }

    @Test
    void startsAtWallClock() {
        long wall = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());

        assertThat(new BucketClock().getAsLong()).isBetween(wall - 1, wall + 5_000_000);
    }
}
