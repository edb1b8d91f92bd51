package io.tollgate.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.tollgate.http.InstanceJson.RatesJson;
import io.tollgate.http.InstanceJson.SecondJson;
import io.tollgate.kafka.RepeatedTask;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Reads the counters once a second and remembers the last minutes. Thread-safe. */
final class Sampler implements AutoCloseable {
    private static final int SECONDS = 300;
    private static final int LATENCY_SECONDS = 10;

    /** Totals at one moment. */
    private record Totals(
            long nanos, double approved, double rejected, double redis, double local, long[] counts, double millis) {}

    private final MeterRegistry registry;
    private final Supplier<String> redis;
    private final ArrayDeque<Totals> lately = new ArrayDeque<>();
    private final ArrayDeque<SecondJson> history = new ArrayDeque<>();
    private final RepeatedTask clock = new RepeatedTask("http-sampler", 1000, this::sample);
    private Totals before;
    private RatesJson rates = RatesJson.NONE;
    private LatencyJson latency = LatencyJson.NONE;

    /** @param redis its state now, as {@link InstanceJson.RedisJson} names it */
    Sampler(MeterRegistry registry, Supplier<String> redis) {
        this.registry = registry;
        this.redis = redis;
        this.before = totals();
    }

    void start() {
        clock.startAfter(1000);
    }

    private synchronized void sample() {
        var now = totals();
        double seconds = Math.max(0.1, (now.nanos() - before.nanos()) / 1e9);
        rates = new RatesJson(
                rate(now.approved() - before.approved(), seconds),
                rate(now.rejected() - before.rejected(), seconds),
                rate(now.redis() - before.redis(), seconds),
                rate(now.local() - before.local(), seconds));
        lately.add(now);
        latency = latency(lately.getFirst(), now);
        if (lately.size() > LATENCY_SECONDS) lately.remove();
        before = now;
        history.add(new SecondJson(System.currentTimeMillis() / 1000, rates, redis.get()));
        if (history.size() > SECONDS) history.remove();
    }

    /** Rounds to tenths, because a second's count is no more exact. */
    private static double rate(double count, double seconds) {
        return Math.round(count / seconds * 10) / 10.0;
    }

    private LatencyJson latency(Totals from, Totals to) {
        var timer = registry.find("tollgate.decision").timer();
        if (timer == null) return LatencyJson.NONE;
        var counts = new ArrayList<Long>();
        for (int i = 0; i < to.counts().length; i++) counts.add(to.counts()[i] - from.counts()[i]);
        return LatencyJson.of(counts, to.millis() - from.millis(), timer.max(TimeUnit.MILLISECONDS));
    }

    private Totals totals() {
        var timer = registry.find("tollgate.decision").timer();
        return new Totals(
                System.nanoTime(),
                decisions("verdict", "approved"),
                decisions("verdict", "rejected"),
                decisions("decided_by", "redis"),
                decisions("decided_by", "local"),
                counts(timer),
                timer == null ? 0 : timer.totalTime(TimeUnit.MILLISECONDS));
    }

    /** Returns the decisions in each bucket of the timer; its own figures count those of the smaller ones again. */
    private static long[] counts(@Nullable Timer timer) {
        var counts = new long[LatencyJson.BUCKETS];
        if (timer == null) return counts;
        var snapshot = timer.takeSnapshot();
        long below = 0;
        var bounded = snapshot.histogramCounts();
        for (int i = 0; i < counts.length - 1; i++) {
            long upTo = (long) bounded[i].count();
            counts[i] = upTo - below;
            below = upTo;
        }
        counts[counts.length - 1] = Math.max(0, snapshot.count() - below);
        return counts;
    }

    private double decisions(String tag, String value) {
        return registry.find("tollgate.decisions").tag(tag, value).counters().stream()
                .mapToDouble(Counter::count)
                .sum();
    }

    synchronized RatesJson rates() {
        return rates;
    }

    synchronized LatencyJson latency() {
        return latency;
    }

    synchronized List<SecondJson> history() {
        return List.copyOf(history);
    }

    @Override
    public void close() {
        clock.close();
    }
}
