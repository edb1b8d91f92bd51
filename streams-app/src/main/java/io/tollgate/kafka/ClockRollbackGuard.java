package io.tollgate.kafka;

import java.time.Duration;
import java.util.function.Consumer;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.streams.KafkaStreams;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Replaces the threads of Kafka Streams, and so their clients, when the host's clock was set back. Kafka's clients time
 * heartbeats by that clock. Until it has caught up they send none, and brokers remove them from the group again and
 * again. Thread-safe.
 */
public final class ClockRollbackGuard implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ClockRollbackGuard.class);

    /** Well below the shortest session timeout that brokers allow by default, 6 s. */
    private static final long LEAST_MILLIS = 2_000;

    private static final long LOOK_EVERY_MILLIS = 500;
    private static final Duration THREAD_ENDS_WITHIN = Duration.ofSeconds(30);

    private final KafkaStreams streams;
    private final Time steady;
    private final Consumer<Throwable> failed;
    private long lastAheadMillis;
    private final RepeatedTask watch = new RepeatedTask("clock-rollback-guard", LOOK_EVERY_MILLIS, this::look);

    /**
     * @param steady a clock that cannot be set
     * @param failed takes the reason if threads could not be replaced
     */
    public ClockRollbackGuard(KafkaStreams streams, Time steady, Consumer<Throwable> failed) {
        this.streams = streams;
        this.steady = steady;
        this.failed = failed;
        this.lastAheadMillis = aheadMillis();
    }

    private long aheadMillis() {
        return System.currentTimeMillis() - steady.milliseconds();
    }

    /** Begins to watch the clock; does not wait. */
    public void start() {
        watch.startAfter(0);
    }

    private void look() {
        long ahead = aheadMillis();
        long backMillis = lastAheadMillis - ahead;
        lastAheadMillis = ahead;
        if (backMillis < LEAST_MILLIS) return;
        log.warn("the host's clock was set back by {} s: Kafka's clients are replaced", backMillis / 1000);
        try {
            replaceThreads();
        } catch (Throwable e) { // even an Error: without new threads, nothing is decided
            failed.accept(e);
        }
    }

    private void replaceThreads() {
        int threads = streams.metadataForLocalThreads().size();
        for (int i = 0; i < threads; i++) {
            if (streams.addStreamThread().isEmpty()) return; // closing
            streams.removeStreamThread(THREAD_ENDS_WITHIN); // the oldest
        }
    }

    @Override
    public void close() {
        watch.close();
    }
}
