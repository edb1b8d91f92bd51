package io.tollgate.quota;

import java.time.Duration;
import org.slf4j.Logger;

/** A warning that is logged once a minute at most: what goes wrong for each record must not be written for each. Not thread-safe. */
public final class RareWarning {
    private static final long INTERVAL_NANOS = Duration.ofMinutes(1).toNanos();

    private final Logger log;
    private boolean said;
    private long saidNanos;

    public RareWarning(Logger log) {
        this.log = log;
    }

    /** Logs, unless it has within the last minute. The agent's id may hold anything but control characters. */
    public void say(String format, Object... arguments) {
        long now = System.nanoTime();
        if (said && now - saidNanos < INTERVAL_NANOS) return;
        said = true;
        saidNanos = now;
        log.warn(format, arguments);
    }
}
