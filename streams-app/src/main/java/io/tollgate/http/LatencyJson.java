package io.tollgate.http;

import io.tollgate.metrics.PipelineMetrics;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Times from the poll that brought a request until it was decided, of the last ten seconds; null without decisions.
 * Percentiles are estimated within the buckets of {@code tollgate_decision_seconds}, as Prometheus does, and never
 * above the maximum.
 *
 * @param maxMs of the last minutes
 * @param counts decisions in each bucket, the last one without a bound; empty without decisions. The counts of several
 *     instances add up
 */
record LatencyJson(
        @Nullable Double p50Ms,
        @Nullable Double p99Ms,
        @Nullable Double meanMs,
        @Nullable Double maxMs,
        List<Long> counts) {
    static final LatencyJson NONE = new LatencyJson(null, null, null, null, List.of());

    private static final List<Double> BOUNDS_MS = PipelineMetrics.DECISION_BOUNDS_MS;

    static final int BUCKETS = BOUNDS_MS.size() + 1;

    LatencyJson {
        if (counts == null) counts = List.of(); // of an instance that is older
    }

    /**
     * Returns the times in these buckets.
     *
     * @param counts as many as there are buckets
     */
    static LatencyJson of(List<Long> counts, double sumMs, double maxMs) {
        long all = counts.stream().mapToLong(Long::longValue).sum();
        if (all == 0) return NONE;
        double mean = sumMs / all;
        double most = Math.max(mean, maxMs);
        return new LatencyJson(
                thousandths(percentile(counts, all, 0.5, most)),
                thousandths(percentile(counts, all, 0.99, most)),
                thousandths(mean),
                thousandths(most),
                List.copyOf(counts));
    }

    /** Returns the times of all of these together. */
    static LatencyJson together(List<LatencyJson> parts) {
        var counts = new ArrayList<Long>();
        double sum = 0;
        double max = 0;
        for (var part : parts) {
            if (part.meanMs == null || part.maxMs == null) continue;
            for (int i = 0; i < part.counts.size(); i++) {
                if (i == counts.size()) counts.add(0L);
                counts.set(i, counts.get(i) + part.counts.get(i));
            }
            sum += part.meanMs * part.counts.stream().mapToLong(Long::longValue).sum();
            max = Math.max(max, part.maxMs);
        }
        return of(counts, sum, max);
    }

    private static double percentile(List<Long> counts, long all, double share, double maxMs) {
        double rank = share * all;
        long below = 0;
        for (int i = 0; i < counts.size(); i++) {
            long here = counts.get(i);
            if (here > 0 && below + here >= rank) {
                double from = i == 0 ? 0 : BOUNDS_MS.get(i - 1);
                double to = i < BOUNDS_MS.size() ? Math.min(maxMs, BOUNDS_MS.get(i)) : maxMs;
                return from + (Math.max(from, to) - from) * (rank - below) / here;
            }
            below += here;
        }
        return maxMs;
    }

    private static double thousandths(double millis) {
        return Math.round(millis * 1000) / 1000.0;
    }
}
