package io.tollgate.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Times of decisions, told by counts in buckets with the bounds 1, 2.5, 5, 10 ms and so on. */
class LatencyJsonTest {
    @Test
    void percentilesLieWithinTheirBuckets() {
        var latency = LatencyJson.of(counts(0, 90, 8, 2), 250, 9);

        assertThat(latency.p50Ms()).isBetween(1.0, 2.5);
        assertThat(latency.p99Ms()).isBetween(5.0, 9.0);
        assertThat(latency.meanMs()).isEqualTo(2.5);
        assertThat(latency.maxMs()).isEqualTo(9);
    }

    @Test
    void noPercentileIsAboveTheMaximum() {
        var latency = LatencyJson.of(counts(0, 0, 0, 5), 26, 5.5);

        assertThat(latency.p50Ms()).isBetween(5.0, 5.5);
        assertThat(latency.p99Ms()).isBetween(5.0, 5.5);
    }

    @Test
    void slowestTimesEndAtTheMaximum() {
        var beyond = new ArrayList<>(Collections.nCopies(LatencyJson.BUCKETS, 0L));
        beyond.set(LatencyJson.BUCKETS - 1, 4L);

        assertThat(LatencyJson.of(beyond, 120_000, 40_000).p99Ms()).isBetween(10_000.0, 40_000.0);
    }

    @Test
    void slowInstanceShowsInTheSum() {
        var fast = LatencyJson.of(counts(980), 490, 0.9);
        var slow = LatencyJson.of(counts(0, 0, 0, 0, 0, 0, 0, 20), 4_000, 240);

        var both = LatencyJson.together(List.of(fast, slow, LatencyJson.NONE));

        assertThat(both.p50Ms()).isLessThan(1);
        assertThat(both.p99Ms()).isBetween(100.0, 240.0);
        assertThat(both.meanMs()).isEqualTo(4.49);
        assertThat(both.maxMs()).isEqualTo(240);
    }

    @Test
    void noDecisionsHaveNoTime() {
        assertThat(LatencyJson.of(counts(0), 0, 17)).isEqualTo(LatencyJson.NONE);
        assertThat(LatencyJson.together(List.of())).isEqualTo(LatencyJson.NONE);
    }

    private static List<Long> counts(long... first) {
        var counts = new ArrayList<>(Collections.nCopies(LatencyJson.BUCKETS, 0L));
        for (int i = 0; i < first.length; i++) counts.set(i, first[i]);
        return counts;
    }
}
