package io.tollgate.metrics;

import java.time.Duration;
import org.slf4j.Logger;

/** A warning that is logged at most once a minute, because a fault may concern every record. Not thread-safe. */
public final class ThrottledWarning {
    private static final long INTERVAL_NANOS = Duration.ofMinutes(1).toNanos();

    private final Logger log;
    private boolean said;
    private long saidNanos;

    public ThrottledWarning(Logger log) {
        this.log = log;
    }

    /** Logs, unless it has done so within the last minute. The agent's id may hold anything but control characters. */
    public void warn(String format, Object... arguments) {
        long now = System.nanoTime();
        if (said && now - saidNanos < INTERVAL_NANOS) return;
        said = true;
        saidNanos = now;
        log.warn(format, arguments);
    }
}
