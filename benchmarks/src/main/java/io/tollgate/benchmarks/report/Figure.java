package io.tollgate.benchmarks.report;

import java.util.Locale;

/** A measured number, and the formats that the template may use; by default three digits or more. Immutable. */
record Figure(double value) {
    @Override
    public String toString() {
        return RoundSummary.figure(value);
    }

    /** Returns {@code 1 000} and {@code 8}: no digits that are zero. */
    String whole() {
        return RoundSummary.figure(value).replaceFirst("\\.0+$", "");
    }

    String exact() {
        return Double.toString(value);
    }

    /** Returns whole percent of a share. */
    String percent() {
        return Long.toString(Math.round(value * 100));
    }

    String percentExact() {
        return String.format(Locale.ROOT, "%.4f", value * 100);
    }

    /** Returns the milliseconds of a time in microseconds. */
    String millis() {
        return String.format(Locale.ROOT, "%.2f", value / 1e3);
    }
}
