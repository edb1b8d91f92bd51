package io.tollgate;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.awaitility.Awaitility;

/** The decisions as they arrive at a {@code read_committed} consumer that polls all the time. Thread-safe. */
final class Arrivals implements AutoCloseable {
    /**
     * A decision, without its record: a soak sees many.
     *
     * @param partition the partition of the decision: its agent's home
     * @param arrivedMicros on this machine's clock
     */
    record Arrival(
            String agent,
            boolean approved,
            boolean local,
            double costTokens,
            long decidedAtMicros,
            String source,
            int partition,
            long arrivedMicros) {}

    private final Decisions decisions;
    private final List<Arrival> arrived = new ArrayList<>();
    private final Thread thread = new Thread(this::follow, "arrivals");
    private volatile boolean ended;

    Arrivals(TestCluster cluster) {
        decisions = new Decisions(cluster);
        thread.setDaemon(true);
        thread.start();
    }

    private void follow() {
        try (decisions) {
            while (!ended) {
                for (var seen : decisions.take()) {
                    if (seen.agent() != null) add(seen);
                }
            }
        }
    }

    private synchronized void add(Decisions.Seen seen) {
        arrived.add(new Arrival(
                seen.agent(),
                seen.approved(),
                seen.header("quota-decided-by").equals("local"),
                seen.costTokens(),
                seen.decidedAtMicros(),
                seen.source(),
                seen.record().partition(),
                nowMicros()));
    }

    static long nowMicros() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    }

    /** Returns the number of decisions that have arrived. */
    synchronized int count() {
        return arrived.size();
    }

    /** Returns the decisions that arrived at this time or later, which include all made since then. */
    synchronized List<Arrival> since(long fromMicros) {
        int from = 0;
        for (int to = arrived.size(); from < to; ) {
            int middle = (from + to) >>> 1;
            if (arrived.get(middle).arrivedMicros() < fromMicros) from = middle + 1;
            else to = middle;
        }
        return List.copyOf(arrived.subList(from, arrived.size()));
    }

    List<Arrival> all() {
        return since(0);
    }

    /** Waits for a decision made at this time or later; returns the earliest. */
    Arrival await(String what, long fromMicros, Predicate<Arrival> wanted) {
        return await(what, Duration.ofSeconds(60), fromMicros, wanted);
    }

    Arrival await(String what, Duration patience, long fromMicros, Predicate<Arrival> wanted) {
        return Awaitility.await(what)
                .pollInterval(Duration.ofMillis(20))
                .atMost(patience)
                .until(
                        () -> since(fromMicros).stream()
                                .filter(arrival -> arrival.decidedAtMicros() >= fromMicros)
                                .filter(wanted)
                                .findFirst(),
                        Optional::isPresent)
                .orElseThrow();
    }

    /** Returns the longest time from then on without any decision. */
    Duration longestGap(long fromMicros, long toMicros) {
        var times = since(fromMicros).stream()
                .mapToLong(Arrival::decidedAtMicros)
                .filter(time -> time >= fromMicros && time <= toMicros)
                .sorted()
                .toArray();
        long longest = 0;
        for (int i = 1; i < times.length; i++) longest = Math.max(longest, times[i] - times[i - 1]);
        return Duration.of(longest, ChronoUnit.MICROS);
    }

    /**
     * Returns the longest time from then until now without a decision on one partition of one topic, among those with
     * any decision at all: a reader may wait on a single one.
     */
    Duration longestSilenceOfAPartition(long fromMicros) {
        record Place(int partition, boolean approved) {}
        long toMicros = nowMicros();
        var last = new HashMap<Place, Long>();
        long longest = 0;
        for (var arrival : all()) {
            var place = new Place(arrival.partition(), arrival.approved());
            long before = Math.max(fromMicros, last.getOrDefault(place, fromMicros));
            longest = Math.max(longest, arrival.arrivedMicros() - before);
            last.put(place, arrival.arrivedMicros());
        }
        // A partition without later decisions is still silent.
        for (long at : last.values()) longest = Math.max(longest, toMicros - Math.max(fromMicros, at));
        return Duration.of(longest, ChronoUnit.MICROS);
    }

    @Override
    public void close() {
        ended = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
