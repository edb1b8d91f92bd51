package io.tollgate.kafka;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.filter.Filter;
import ch.qos.logback.core.spi.FilterReply;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.streams.errors.MissingSourceTopicException;

/**
 * Passes the same line of a library once a minute: while brokers are away, each of Kafka's clients reports it every
 * second. Our own lines always pass, because our code reports each change once. Thread-safe. Made by logback.xml, at
 * the appenders: a filter before the loggers would also run for lines below the level.
 */
public final class LogRateLimiter extends Filter<ILoggingEvent> {
    private static final long INTERVAL_NANOS = Duration.ofMinutes(1).toNanos();
    private static final int MOST_REMEMBERED = 1000;

    /** Kafka Streams logs a stack trace of these, which our own line has reported already. */
    private static final Set<String> REPORTED_BY_US = Set.of(
            TopicMadeAnewException.class.getName(),
            TopicMissingException.class.getName(),
            MissingSourceTopicException.class.getName());

    private static final Pattern NUMBERS = Pattern.compile("\\d+");

    private record Line(String logger, String text) {}

    private final Map<Line, Long> passedNanos = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Line, Long> eldest) {
            return size() > MOST_REMEMBERED;
        }
    };

    /** Compares lines without their numbers: Kafka's clients insert attempts and correlation ids. */
    @Override
    public FilterReply decide(ILoggingEvent event) {
        if (event.getLoggerName().startsWith("io.tollgate")) return FilterReply.NEUTRAL;
        var thrown = event.getThrowableProxy();
        if (thrown != null && REPORTED_BY_US.contains(thrown.getClassName())) return FilterReply.DENY;
        var line = new Line(
                event.getLoggerName(),
                NUMBERS.matcher(String.valueOf(event.getMessage())).replaceAll("#"));
        return isDue(line, System.nanoTime()) ? FilterReply.NEUTRAL : FilterReply.DENY;
    }

    private synchronized boolean isDue(Line line, long nowNanos) {
        var passed = passedNanos.get(line);
        if (passed != null && nowNanos - passed < INTERVAL_NANOS) return false;
        passedNanos.put(line, nowNanos);
        return true;
    }
}
