package io.tollgate.benchmarks.run;

import java.time.Duration;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Tells when a contestant has warmed up: its rates in {@value #WINDOWS} windows in a row lie within a
 * {@value #PARTS}th of their mean. Compilers make it faster from window to window before.
 */
final class SteadyRate {
    static final long WINDOW_NANOS = 3_000_000_000L;
    static final int WINDOWS = 4;

    private static final int PARTS = 12;
    private static final long POLL_NANOS = 100_000_000;

    private final long begin;
    private final List<Double> rates = new ArrayList<>();
    private long last;
    private long windowBegin;
    private long windowCount;

    /** @param count the records so far */
    SteadyRate(long nanos, long count) {
        begin = nanos;
        last = nanos;
        windowBegin = nanos;
        windowCount = count;
    }

    /** Watches a contestant until its rate is steady, but no longer than this, and not beyond so many records. */
    static SteadyRate await(Running running, Duration longest, long mostRecords) {
        var rate = new SteadyRate(System.nanoTime(), running.committed());
        long until = System.nanoTime() + longest.toNanos();
        while (System.nanoTime() < until && !rate.isSteady()) {
            LockSupport.parkNanos(POLL_NANOS);
            long committed = running.committed();
            if (committed > mostRecords) break;
            rate.add(System.nanoTime(), committed);
        }
        return rate;
    }

    /** Notes the records so far, at a later time. */
    void add(long nanos, long count) {
        last = nanos;
        if (nanos - windowBegin < WINDOW_NANOS) return;
        rates.add((count - windowCount) * 1e9 / (nanos - windowBegin));
        windowBegin = nanos;
        windowCount = count;
    }

    boolean isSteady() {
        var recent = recent();
        return recent.getCount() == WINDOWS && recent.getMax() - recent.getMin() <= recent.getAverage() / PARTS;
    }

    private DoubleSummaryStatistics recent() {
        return rates.subList(Math.max(0, rates.size() - WINDOWS), rates.size()).stream()
                .mapToDouble(Double::doubleValue)
                .summaryStatistics();
    }

    /** Returns the mean of the last windows, as many as there are. */
    double last() {
        return recent().getAverage();
    }

    /** Returns the seconds from the first to the last note. */
    double seconds() {
        return (last - begin) / 1e9;
    }
}
