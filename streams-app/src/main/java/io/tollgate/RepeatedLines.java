package io.tollgate;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.turbo.TurboFilter;
import ch.qos.logback.core.spi.FilterReply;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Marker;

/**
 * Lets the same line of a library pass once a minute: while brokers are away, each of Kafka's clients says so every second. Lines of
 * our own pass, because whoever writes them says each change once. Thread-safe; made by logback.xml.
 */
public final class RepeatedLines extends TurboFilter {
    private static final long INTERVAL_NANOS = Duration.ofMinutes(1).toNanos();
    private static final int MOST_REMEMBERED = 1000;

    private static final Pattern NUMBERS = Pattern.compile("\\d+");

    private record Line(String logger, String text) {}

    private final Map<Line, Long> passedNanos = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Line, Long> eldest) {
            return size() > MOST_REMEMBERED;
        }
    };

    /** By the line without its numbers: Kafka's clients fill in attempts and correlation ids before the logger sees the line. */
    @Override
    public FilterReply decide(
            @Nullable Marker marker,
            Logger logger,
            Level level,
            @Nullable String format,
            Object @Nullable [] arguments,
            @Nullable Throwable thrown) {
        // Asked for a level alone, there is no format; and what is below the logger's level is not written anyway.
        if (format == null || !level.isGreaterOrEqual(logger.getEffectiveLevel())) return FilterReply.NEUTRAL;
        if (logger.getName().startsWith("io.tollgate")) return FilterReply.NEUTRAL;
        var line = new Line(logger.getName(), NUMBERS.matcher(format).replaceAll("#"));
        return isDue(line, System.nanoTime()) ? FilterReply.NEUTRAL : FilterReply.DENY;
    }

    private synchronized boolean isDue(Line line, long nowNanos) {
        var passed = passedNanos.get(line);
        if (passed != null && nowNanos - passed < INTERVAL_NANOS) return false;
        passedNanos.put(line, nowNanos);
        return true;
    }
}
