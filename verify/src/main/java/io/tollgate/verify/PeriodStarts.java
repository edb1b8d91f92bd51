package io.tollgate.verify;

import java.time.Instant;
import java.time.ZoneId;
import java.time.zone.ZoneRules;
import java.time.zone.ZoneRulesProvider;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The starts of a limit's periods, computed from the offsets of a time zone alone, not from the calendar that the
 * pipeline uses. Immutable.
 *
 * <p>A date starts when clocks first show it, or a later one. An hour or minute starts when clocks reach the next one.
 * Where clocks jump, it starts if they jump forward out of the one before.
 */
record PeriodStarts(String unit, String zone) {
    private static final Set<String> UNITS = Set.of("minute", "hour", "day", "week", "month");
    private static final long DAY_SECONDS = 86_400;
    /** No time zone is farther from UTC. */
    private static final long FARTHEST_OFFSET_SECONDS = 18 * 3600;

    /** Returns the periods; null if this JVM does not know such ones. */
    static @Nullable PeriodStarts of(String unit, String zone) {
        return UNITS.contains(unit) && ZoneRulesProvider.getAvailableZoneIds().contains(zone)
                ? new PeriodStarts(unit, zone)
                : null;
    }

    /** Returns the start of the period in which this moment lies, in microseconds since the epoch. */
    long startMicros(long micros) {
        return start(Math.floorDiv(micros, 1_000_000L)) * 1_000_000;
    }

    /** Returns the first start of a period after this moment, in microseconds since the epoch. */
    long endMicros(long micros) {
        long from = Math.floorDiv(micros, 1_000_000L);
        long started = start(from);
        long low = from;
        long high = from + longest();
        while (start(high) == started) high += longest();
        while (high - low > 1) {
            long middle = (low + high) / 2;
            if (start(middle) == started) low = middle;
            else high = middle;
        }
        return high * 1_000_000;
    }

    private long longest() {
        return switch (unit) {
            case "minute" -> 60;
            case "hour" -> 3600;
            case "day" -> DAY_SECONDS;
            case "week" -> 7 * DAY_SECONDS;
            default -> 31 * DAY_SECONDS;
        };
    }

    private long start(long seconds) {
        var rules = ZoneId.of(zone).getRules();
        if (unit.equals("minute")) return clockStart(rules, seconds, 60);
        if (unit.equals("hour")) return clockStart(rules, seconds, 3600);
        long date = firstDate(Math.floorDiv(seconds + offset(rules, seconds), DAY_SECONDS));
        long start = firstShown(rules, date * DAY_SECONDS);
        while (true) { // clocks may have gone back over midnight
            date = nextDate(date);
            long next = firstShown(rules, date * DAY_SECONDS);
            if (next > seconds) return start;
            start = next;
        }
    }

    private static long clockStart(ZoneRules rules, long seconds, long unitSeconds) {
        long floor = seconds - Math.floorMod(seconds + offset(rules, seconds), unitSeconds);
        var change = rules.previousTransition(Instant.ofEpochSecond(seconds + 1));
        if (change == null || change.getInstant().getEpochSecond() <= floor) return floor;
        long at = change.getInstant().getEpochSecond();
        long before = Math.floorDiv(at - 1 + offset(rules, at - 1), unitSeconds);
        long after = Math.floorDiv(at + offset(rules, at), unitSeconds);
        return after > before ? at : clockStart(rules, at - 1, unitSeconds);
    }

    private static long offset(ZoneRules rules, long seconds) {
        return rules.getOffset(Instant.ofEpochSecond(seconds)).getTotalSeconds();
    }

    /** Returns the first moment at which clocks show this time or a later one. */
    private static long firstShown(ZoneRules rules, long localSeconds) {
        long from = localSeconds - FARTHEST_OFFSET_SECONDS;
        while (true) {
            long shown = Math.max(from, localSeconds - offset(rules, from));
            var change = rules.nextTransition(Instant.ofEpochSecond(from));
            if (change == null || shown < change.getInstant().getEpochSecond()) return shown;
            from = change.getInstant().getEpochSecond();
        }
    }

    private long firstDate(long epochDay) {
        if (unit.equals("week")) return epochDay - Math.floorMod(epochDay + 3, 7); // the epoch was a Thursday
        return unit.equals("month") ? epochDay - dayOfMonth(epochDay) + 1 : epochDay;
    }

    private long nextDate(long firstDay) {
        if (unit.equals("week")) return firstDay + 7;
        if (!unit.equals("month")) return firstDay + 1;
        long inNext = firstDay + 31;
        return inNext - dayOfMonth(inNext) + 1;
    }

    /**
     * Returns the day of the month, from 1.
     *
     * @see <a href="https://howardhinnant.github.io/date_algorithms.html#civil_from_days">civil_from_days</a>
     */
    private static long dayOfMonth(long epochDay) {
        long dayOfEra = Math.floorMod(epochDay + 719_468, 146_097);
        long yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        long dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100); // from the first of March
        long month = (5 * dayOfYear + 2) / 153;
        return dayOfYear - (153 * month + 2) / 5 + 1;
    }
}
