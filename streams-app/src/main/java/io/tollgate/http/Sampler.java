package io.tollgate.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.http.InstanceJson.LatencyJson;
import io.tollgate.http.InstanceJson.RatesJson;
import io.tollgate.http.InstanceJson.SecondJson;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads the counters once a second and remembers the last minutes. Thread-safe. */
final class Sampler implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Sampler.class);
    private static final int SECONDS = 300;

    /** Totals at one moment. */
    private record Totals(
            long nanos, double approved, double rejected, double redis, double local, long decisions, double millis) {}

    private final MeterRegistry registry;
    private final ArrayDeque<SecondJson> history = new ArrayDeque<>();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "http-sampler");
        thread.setDaemon(true);
        return thread;
    });
    private Totals before;
    private RatesJson rates = RatesJson.NONE;
    private LatencyJson latency = LatencyJson.NONE;

    Sampler(MeterRegistry registry) {
        this.registry = registry;
        this.before = totals();
    }

    void start() {
        clock.scheduleAtFixedRate(this::trySample, 1, 1, TimeUnit.SECONDS);
    }

    private void trySample() {
        try {
            sample();
        } catch (Throwable unexpected) { // what escapes would end the schedule, and the console would stand still
            log.error("the console's figures of this second are missing", unexpected);
        }
    }

    private synchronized void sample() {
        var now = totals();
        double seconds = Math.max(0.1, (now.nanos() - before.nanos()) / 1e9);
        rates = new RatesJson(
                rate(now.approved() - before.approved(), seconds),
                rate(now.rejected() - before.rejected(), seconds),
                rate(now.redis() - before.redis(), seconds),
                rate(now.local() - before.local(), seconds));
        latency = latency(now.decisions() - before.decisions(), now.millis() - before.millis());
        before = now;
        history.add(new SecondJson(System.currentTimeMillis() / 1000, rates));
        if (history.size() > SECONDS) history.remove();
    }

    /** Rounds to tenths, because a second's count is no more exact. */
    private static double rate(double count, double seconds) {
        return Math.round(count / seconds * 10) / 10.0;
    }

    private LatencyJson latency(long decisions, double millis) {
        var timer = registry.find("tollgate.decision").timer();
        if (decisions <= 0 || timer == null) return LatencyJson.NONE;
        double mean = millis / decisions;
        return new LatencyJson(thousandths(mean), thousandths(Math.max(mean, timer.max(TimeUnit.MILLISECONDS))));
    }

    private static double thousandths(double millis) {
        return Math.round(millis * 1000) / 1000.0;
    }

    private Totals totals() {
        var timer = registry.find("tollgate.decision").timer();
        return new Totals(
                System.nanoTime(),
                decisions("verdict", "approved"),
                decisions("verdict", "rejected"),
                decisions("decided_by", "redis"),
                decisions("decided_by", "local"),
                timer == null ? 0 : timer.count(),
                timer == null ? 0 : timer.totalTime(TimeUnit.MILLISECONDS));
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
        clock.shutdownNow();
    }
}
