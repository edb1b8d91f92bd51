package io.tollgate.verify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.time.OffsetDateTime;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AdmissionBoundPropertyTest {
    static LongStream seeds() {
        return LongStream.rangeClosed(1, 100);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void worstOfAllIntervalsIsFound(long seed) {
        var random = new Random(seed);
        var limit = new PromisedLimit("", 1 + random.nextInt(50), random.nextInt(20));
        int size = 100;
        long[] micros = new long[size];
        double[] costs = new double[size];
        long now = 0;
        AdmissionBound spending = new AdmissionBound(limit, 0);
        for (int i = 0; i < size; i++) {
            now += random.nextInt(3) == 0 ? 0 : random.nextInt(2_000_000);
            micros[i] = now;
            costs[i] = random.nextInt(100) / 4.0;

            spending.approve(limit, now, costs[i]);

            double worst = Double.NEGATIVE_INFINITY;
            for (int from = 0; from <= i; from++) {
                double approved = 0;
                for (int j = from; j <= i; j++) approved += costs[j];
                worst = Math.max(
                        worst,
                        approved
                                - limit.capacityTokens()
                                - limit.refillTokensPerSecond() * (micros[i] - micros[from]) / 1e6);
            }
            assertThat(spending.overdraftTokens()).isCloseTo(worst, within(1e-6));
        }
    }

    @Test
    void oneTokenTooManyBreaksItOnce() {
        var limit = new PromisedLimit("", 100, 10);
        var spending = new AdmissionBound(limit, 0);

        assertThat(spending.approve(limit, 0, 100)).isFalse();
        assertThat(spending.approve(limit, 0, 0.5)).isFalse();
        assertThat(spending.approve(limit, 0, 0.01)).isTrue();
        assertThat(spending.approve(limit, 0, 0.01)).isFalse();
        assertThat(spending.beyondSlackTokens()).isCloseTo(0.02, within(1e-3));
    }

    @Test
    void largerPolicyCountsAcrossACut() {
        var before = new PromisedLimit("", 100, 10);
        var after = new PromisedLimit("", 10, 1);
        var spending = new AdmissionBound(before, 0);

        assertThat(spending.approve(before, 0, 100)).isFalse();
        assertThat(spending.approve(after, 1_000_000, 10)).isFalse();
        assertThat(spending.approve(after, 1_000_000, 1)).isTrue();
    }

    @Test
    void everyPeriodHasItsCapacityNoSlack() {
        var perDay = new PromisedLimit("", 10, 0, PeriodStarts.of("day", "Europe/Berlin"));
        long midnight = OffsetDateTime.parse("2026-10-25T00:00+02:00").toEpochSecond() * 1_000_000;
        long hour = 3_600_000_000L;
        var spending = new AdmissionBound(perDay, midnight - hour);

        assertThat(spending.approve(perDay, midnight - 1, 10)).isFalse();
        assertThat(spending.approve(perDay, midnight, 10)).isFalse();
        assertThat(spending.approve(perDay, midnight + 25 * hour - 1, 0.01)).isTrue(); // a day of 25 hours
        assertThat(spending.approve(perDay, midnight + 25 * hour, 10)).isFalse();
        assertThat(spending.overdraftTokens()).isZero();
    }
}
