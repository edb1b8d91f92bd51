package io.tollgate.cli;

import java.math.BigDecimal;
import java.time.Duration;

/** Lengths of time for readers: {@code 9.7 s}, {@code 5 min 12 s}, {@code 3 h 12 min}, {@code 13 d 4 h}. */
final class DurationText {
    private DurationText() {}

    /** Returns the two largest units; below a minute, seconds to the millisecond. */
    static String of(Duration duration) {
        if (duration.compareTo(Duration.ofMinutes(1)) < 0) return seconds(duration.toMillis()) + " s";
        if (duration.compareTo(Duration.ofHours(1)) < 0)
            return duration.toMinutes() + " min " + duration.toSecondsPart() + " s";
        if (duration.compareTo(Duration.ofDays(1)) < 0)
            return duration.toHours() + " h " + duration.toMinutesPart() + " min";
        return duration.toDays() + " d " + duration.toHoursPart() + " h";
    }

    private static String seconds(long millis) {
        return BigDecimal.valueOf(millis, 3).stripTrailingZeros().toPlainString();
    }
}
