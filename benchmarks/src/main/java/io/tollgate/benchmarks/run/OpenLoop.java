package io.tollgate.benchmarks.run;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.ToIntFunction;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Publishes at a fixed rate whether or not the contestant keeps up, and times each observed decision from the moment
 * its request was due.
 */
final class OpenLoop implements AutoCloseable {
    private static final String DUE = "due";
    private static final long LONGEST_MICROS = 120_000_000;
    /** The first seconds at a new rate still show the rate before. */
    private static final long SETTLING_MICROS = 2_000_000;
    /** Waking up for each record would take more CPU than publishing it. */
    private static final long TICK_NANOS = 1_000_000;

    private static final int KAFKAS_DEFAULT_LINGER_MILLIS = 5;

    /** The moments that are timed. */
    enum Measure {
        DECIDED,
        WRITTEN,
        COMMITTED;

        /** The name in results. */
        String text() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Returns the group of a decision. */
    interface Grouping {
        int of(int partition, byte[] agentId);
    }

    /**
     * The observed records.
     *
     * @param partitions not more than needed: the meter must not eat what it measures
     * @param isolations {@code read_uncommitted} for {@link Measure#WRITTEN}, {@code read_committed} for the others
     * @param groups how many groups of decisions have times of their own, at each rate
     */
    record Watched(List<Integer> partitions, List<String> isolations, int groups, Grouping grouping) {
        /** Two of the eight partitions, all agents alike, everything timed. */
        static Watched twoPartitions() {
            var both = List.of("read_uncommitted", "read_committed");
            return new Watched(List.of(0, 4), both, 1, (partition, agentId) -> 0);
        }
    }

    private final TestBed testBed;
    private final Running running;
    private final String topic;
    private final Watched watched;
    private final List<Map<Measure, Histogram>> histograms = new ArrayList<>();
    private final List<Thread> watchers = new ArrayList<>();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile boolean closing;

    /** @param levels how many rates there will be; each has histograms of its own */
    OpenLoop(TestBed testBed, Running running, String topic, int levels, Watched watched) {
        this.testBed = testBed;
        this.running = running;
        this.topic = topic;
        this.watched = watched;
        for (int i = 0; i < levels * watched.groups(); i++) {
            histograms.add(Map.of(
                    Measure.DECIDED, new Histogram(LONGEST_MICROS, 3),
                    Measure.WRITTEN, new Histogram(LONGEST_MICROS, 3),
                    Measure.COMMITTED, new Histogram(LONGEST_MICROS, 3)));
        }
        watched.isolations().forEach(this::watch);
    }

    /**
     * Publishes for some time; {@code level} -1 is the warm-up, whose times nobody keeps. Returns when all is
     * published.
     *
     * @param agents draws who sends the next request
     */
    void publish(double ratePerSecond, Duration time, int level, ToIntFunction<SplittableRandom> agents) {
        var random = new SplittableRandom(level);
        try (var producer = testBed.producer(KAFKAS_DEFAULT_LINGER_MILLIS)) {
            long records = (long) (ratePerSecond * time.toNanos() / 1e9);
            long start = micros();
            for (long n = 0; n < records; n++) {
                long due = start + (long) (n * 1e6 / ratePerSecond);
                while (due > micros()) LockSupport.parkNanos(TICK_NANOS);
                int agent = agents.applyAsInt(random);
                var record = new ProducerRecord<>(
                        topic, Workload.agentName(agent).getBytes(StandardCharsets.UTF_8), Workload.request(n, agent));
                int kept = due - start < SETTLING_MICROS ? -1 : level;
                record.headers()
                        .add(
                                DUE,
                                ByteBuffer.allocate(9)
                                        .putLong(due)
                                        .put((byte) kept)
                                        .array());
                producer.send(record, (metadata, exception) -> {
                    if (exception != null) failure.compareAndSet(null, exception);
                });
            }
        }
        check();
    }

    private void check() {
        var thrown = failure.get();
        if (thrown != null) throw new IllegalStateException("cannot publish or read", thrown);
    }

    private void watch(String isolation) {
        var thread = new Thread(() -> read(isolation), isolation);
        thread.setDaemon(true);
        watchers.add(thread);
        thread.start();
    }

    private void read(String isolation) {
        boolean committed = isolation.equals("read_committed");
        try (var consumer = testBed.consumer(isolation, running.approvedTopic(), watched.partitions())) {
            while (!closing) {
                var records = consumer.poll(Duration.ofMillis(100));
                long now = micros();
                for (var record : records) note(record, now, committed);
            }
        } catch (RuntimeException e) {
            failure.compareAndSet(null, e);
        }
    }

    /** One thread for each measure, so that no histogram is shared while it is written. */
    private void note(ConsumerRecord<byte[], byte[]> record, long nowMicros, boolean committed) {
        var header = record.headers().lastHeader(DUE);
        if (header == null) return;
        var bytes = ByteBuffer.wrap(header.value());
        long due = bytes.getLong();
        int level = bytes.get();
        if (level < 0) return;
        int group = watched.grouping().of(record.partition(), record.key());
        var measures = histograms.get(level * watched.groups() + group);
        keep(Objects.requireNonNull(measures.get(committed ? Measure.COMMITTED : Measure.WRITTEN)), nowMicros - due);
        if (!committed) return;
        var decidedAt = record.headers().lastHeader("quota-decided-at");
        if (decidedAt == null) return;
        long at = Long.parseLong(new String(decidedAt.value(), StandardCharsets.UTF_8));
        keep(Objects.requireNonNull(measures.get(Measure.DECIDED)), at - due);
    }

    private static void keep(Histogram histogram, long micros) {
        histogram.recordValue(Math.max(0, Math.min(micros, LONGEST_MICROS)));
    }

    private static long micros() {
        var now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1000;
    }

    /** Ends the consumers, and returns what they saw of each level, and within it of each group. */
    List<Map<Measure, Histogram>> results() {
        close();
        check();
        return histograms;
    }

    @Override
    public void close() {
        closing = true;
        for (var watcher : watchers) {
            try {
                watcher.join(5_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
