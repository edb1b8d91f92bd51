package io.tollgate;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.filter.Filter;
import ch.qos.logback.core.spi.FilterReply;
import io.tollgate.kafka.TopicMadeAnewException;
import io.tollgate.kafka.TopicMissingException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.streams.errors.MissingSourceTopicException;

/**
 * Lets the same line of a library pass once a minute: while brokers are away, each of Kafka's clients says so every second. Lines of
 * our own pass, because whoever writes them says each change once. Thread-safe; made by
 * logback.xml. At the appenders, not before the loggers: there it would be asked for every line that is not written, too.
 */
public final class RepeatedLines extends Filter<ILoggingEvent> {
    private static final long INTERVAL_NANOS = Duration.ofMinutes(1).toNanos();
    private static final int MOST_REMEMBERED = 1000;

    /** Kafka Streams shows a stack trace of these, and we have said in a line what has happened. */
    private static final Set<String> SAID_BY_US = Set.of(
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

    /** By the line without its numbers: Kafka's clients fill in attempts and correlation ids before the logger sees the line. */
    @Override
    public FilterReply decide(ILoggingEvent event) {
        if (event.getLoggerName().startsWith("io.tollgate")) return FilterReply.NEUTRAL;
        var thrown = event.getThrowableProxy();
        if (thrown != null && SAID_BY_US.contains(thrown.getClassName())) return FilterReply.DENY;
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
