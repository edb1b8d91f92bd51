package io.tollgate.benchmarks.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SteadyRateTest {
    private static final long SECOND = 1_000_000_000;

    private long nanos;
    private long count;
    private final SteadyRate rate = new SteadyRate(0, 0);

    private void window(long perSecond) {
        for (int part = 0; part < 3; part++) {
            nanos += SECOND;
            count += perSecond;
            rate.add(nanos, count);
        }
    }

    @Test
    void growingRatesAreNotSteady() {
        for (long perSecond = 10_000; perSecond < 100_000; perSecond += 10_000) window(perSecond);

        assertThat(rate.isSteady()).isFalse();
    }

    @Test
    void fourLikeWindowsAreSteady() {
        window(10_000);
        for (long perSecond : new long[] {98_000, 100_000, 103_000}) window(perSecond);
        assertThat(rate.isSteady()).isFalse();

        window(99_000);
        assertThat(rate.isSteady()).isTrue();
        assertThat(rate.last()).isEqualTo(100_000);
        assertThat(rate.seconds()).isEqualTo(15);
    }
}
