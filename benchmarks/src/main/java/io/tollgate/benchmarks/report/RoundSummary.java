package io.tollgate.benchmarks.report;

import java.util.Collection;
import java.util.Locale;

/** The summary of several rounds. Immutable. */
public record RoundSummary(double median, double min, double max) {
    /** @throws IllegalArgumentException if there are no values */
    public static RoundSummary of(Collection<Double> values) {
        if (values.isEmpty()) throw new IllegalArgumentException("no values");
        var sorted = values.stream().sorted().toList();
        int half = sorted.size() / 2;
        double median = sorted.size() % 2 == 1 ? sorted.get(half) : (sorted.get(half - 1) + sorted.get(half)) / 2;
        return new RoundSummary(median, sorted.get(0), sorted.get(sorted.size() - 1));
    }

    /** Returns {@code 12.3 (11.9 to 13.0)}; without the span where there is none. */
    @Override
    public String toString() {
        return min == max ? figure(median) : figure(median) + " (" + figure(min) + " to " + figure(max) + ")";
    }

    /** Returns three digits or more, thousands apart. */
    public static String figure(double value) {
        double size = Math.abs(value);
        String format = size >= 100 ? "%,.0f" : size >= 10 ? "%.1f" : "%.2f";
        return String.format(Locale.ROOT, format, value).replace(',', ' ');
    }
}
