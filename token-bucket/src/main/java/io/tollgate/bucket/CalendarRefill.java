package io.tollgate.bucket;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.time.temporal.TemporalAdjusters;
import java.time.zone.ZoneRulesProvider;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Refills everything at the start of each calendar period, and nothing within it. Immutable and thread-safe; there is
 * one object for each period and zone.
 *
 * <p>A period starts when clocks of the zone first show its beginning: a day without a midnight starts with its first
 * hour, and an hour that clocks show twice is two periods. So days may have 23 or 25 hours, and months 28 to 31 days.
 */
public final class CalendarRefill implements Refill {
    /** The zone if none is named. */
    public static final ZoneId UTC = ZoneId.of("UTC");

    /** Seconds from the epoch, some 3000 years. Other programs may have written any moment. */
    private static final double FARTHEST = 1e11;

    private static final ConcurrentHashMap<Key, CalendarRefill> KNOWN = new ConcurrentHashMap<>();

    private record Key(Period period, ZoneId zone) {}

    /** Seconds since the epoch at which a period starts and ends. */
    private record Span(long start, long end) {}

    private final Period period;
    private final ZoneId zone;
    private volatile Span latest = new Span(0, 0); // nearly all callers ask for the same period

    private CalendarRefill(Key key) {
        period = key.period;
        zone = key.zone;
    }

    /**
     * Returns the calendar of this period in this zone.
     *
     * @throws IllegalArgumentException if the zone is not one of the tz database that this JVM knows; the message names
     *     the rule
     */
    public static CalendarRefill of(Period period, String zone) {
        if (!zones().contains(zone)) {
            throw new IllegalArgumentException("must be the name of a time zone, such as Europe/Berlin or UTC");
        }
        return KNOWN.computeIfAbsent(new Key(period, ZoneId.of(zone)), CalendarRefill::new);
    }

    /** Returns the names of the zones that this JVM knows. */
    public static Set<String> zones() {
        return ZoneRulesProvider.getAvailableZoneIds();
    }

    /**
     * Returns the version of this JVM's tz database, such as {@code 2025b}. Another version may start periods at
     * other times.
     */
    public static String zoneRules() {
        return ZoneRulesProvider.getVersions(UTC.getId()).lastEntry().getKey();
    }

    /** Returns the period. */
    public Period period() {
        return period;
    }

    /** Returns the zone whose clocks determine the starts of periods. */
    public ZoneId zone() {
        return zone;
    }

    /** Returns the start of the period in which this moment lies, in seconds since the epoch. */
    public long startOf(double seconds) {
        return span(seconds).start;
    }

    /**
     * Returns the end of the period in which this moment lies, which is the start of the next one, in seconds since
     * the epoch.
     */
    public long endOf(double seconds) {
        return span(seconds).end;
    }

    @Override
    public double refilled(double tokens, double capacityTokens, double leftSeconds, double nowSeconds) {
        return leftSeconds < startOf(nowSeconds) ? capacityTokens : tokens;
    }

    @Override
    public double waitSeconds(double missingTokens, double nowSeconds) {
        return endOf(nowSeconds) - nowSeconds;
    }

    private Span span(double atSeconds) {
        double seconds = Math.max(-FARTHEST, Math.min(FARTHEST, atSeconds));
        var span = latest;
        if (span.start <= seconds && seconds < span.end) return span;
        var moment = Instant.ofEpochSecond((long) Math.floor(seconds)).atZone(zone);
        var first = period.compareTo(Period.DAY) < 0 ? clockStart(moment) : dateStart(moment.toLocalDate());
        var next = after(first);
        while (!next.isAfter(moment)) { // clocks went back over the start of a day: it started the first time
            first = next;
            next = after(first);
        }
        span = new Span(first.toEpochSecond(), next.toEpochSecond());
        latest = span;
        return span;
    }

    /** Returns the first moment after this start at which another period starts. */
    private ZonedDateTime after(ZonedDateTime start) {
        return switch (period) {
            case MINUTE, HOUR -> clockAfter(start);
            case DAY -> dateStart(start.toLocalDate().plusDays(1));
            case WEEK -> dateStart(start.toLocalDate().plusWeeks(1));
            case MONTH -> dateStart(start.toLocalDate().plusMonths(1));
        };
    }

    /** Returns the start of the day, week or month that this date lies in. */
    private ZonedDateTime dateStart(LocalDate date) {
        var first = switch (period) {
            case WEEK -> date.with(TemporalAdjusters.previousOrSame(DayOfWeek.MONDAY));
            case MONTH -> date.withDayOfMonth(1);
            default -> date;
        };
        return first.atStartOfDay(zone);
    }

    private ZonedDateTime clockAfter(ZonedDateTime start) {
        var from = start;
        while (true) {
            var end = ZonedDateTime.ofInstant(
                    from.toLocalDateTime().truncatedTo(unit()).plus(1, unit()), from.getOffset(), zone);
            var change = zone.getRules().nextTransition(from.toInstant());
            if (change == null || change.getInstant().isAfter(end.toInstant())) return end;
            // Clocks may change by a part of the period. Then it goes on, unless they show another period from there
            // on.
            from = change.getInstant().atZone(zone);
            if (clockStart(from).isAfter(start)) return clockStart(from);
        }
    }

    private ZonedDateTime clockStart(ZonedDateTime moment) {
        var skipped = zone.getRules().getTransition(moment.toLocalDateTime().truncatedTo(unit()));
        return skipped != null && skipped.isGap() ? skipped.getInstant().atZone(zone) : moment.truncatedTo(unit());
    }

    private ChronoUnit unit() {
        return period == Period.HOUR ? ChronoUnit.HOURS : ChronoUnit.MINUTES;
    }

    @Override
    public String toString() {
        return period.text() + " in " + zone;
    }
}
