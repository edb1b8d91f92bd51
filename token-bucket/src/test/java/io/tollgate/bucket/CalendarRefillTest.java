package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.YearMonth;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CalendarRefillTest {
    /** Whole hours, halves and quarters, both hemispheres, midnight that is skipped or comes twice, half an hour of daylight saving. */
    static final List<String> ZONES = List.of(
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "America/St_Johns",
            "America/Sao_Paulo",
            "America/Havana",
            "Africa/Cairo",
            "Asia/Kolkata",
            "Asia/Kathmandu",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Pacific/Chatham");

    @ParameterizedTest
    @CsvSource({
        "minute, UTC,                 2026-11-29T10:15:30Z,      2026-11-29T10:15Z,         2026-11-29T10:16Z",
        "hour,   UTC,                 2026-11-29T10:15:30Z,      2026-11-29T10:00Z,         2026-11-29T11:00Z",
        "hour,   Asia/Kathmandu,      2026-11-29T10:20:00Z,      2026-11-29T10:15Z,         2026-11-29T11:15Z",
        "day,    UTC,                 2026-11-29T00:00:00Z,      2026-11-29T00:00Z,         2026-11-30T00:00Z",
        "day,    Europe/Berlin,       2026-03-29T12:00:00+02:00, 2026-03-29T00:00+01:00,    2026-03-30T00:00+02:00",
        "day,    Europe/Berlin,       2026-10-25T12:00:00+01:00, 2026-10-25T00:00+02:00,    2026-10-26T00:00+01:00",
        "hour,   Europe/Berlin,       2026-10-25T02:30:00+02:00, 2026-10-25T02:00+02:00,    2026-10-25T02:00+01:00",
        "hour,   Europe/Berlin,       2026-10-25T02:30:00+01:00, 2026-10-25T02:00+01:00,    2026-10-25T03:00+01:00",
        "hour,   Europe/Berlin,       2026-03-29T01:30:00+01:00, 2026-03-29T01:00+01:00,    2026-03-29T03:00+02:00",
        "week,   UTC,                 2026-11-29T23:59:59Z,      2026-11-23T00:00Z,         2026-11-30T00:00Z",
        "week,   Europe/Berlin,       2027-01-01T12:00:00+01:00, 2026-12-28T00:00+01:00,    2027-01-04T00:00+01:00",
        "month,  UTC,                 2028-02-29T12:00:00Z,      2028-02-01T00:00Z,         2028-03-01T00:00Z",
        "month,  Europe/Berlin,       2026-10-31T23:30:00+01:00, 2026-10-01T00:00+02:00,    2026-11-01T00:00+01:00",
        // Midnight is skipped: the day starts at one.
        "day,    America/Sao_Paulo,   2018-11-04T12:00:00-02:00, 2018-11-04T01:00-02:00,    2018-11-05T00:00-02:00",
        // Midnight comes twice: the day starts with the first.
        "day,    America/Havana,      2026-11-01T00:30:00-05:00, 2026-11-01T00:00-04:00,    2026-11-02T00:00-05:00",
        // Clocks go back over midnight, a minute after it: the day goes on that has begun.
        "day,    America/St_Johns,    2010-11-06T23:30:00-03:30, 2010-11-07T00:00-02:30,    2010-11-08T00:00-03:30",
        // A day that a whole country left out.
        "day,    Pacific/Apia,        2011-12-29T12:00:00-10:00, 2011-12-29T00:00-10:00,    2011-12-31T00:00+14:00",
        // Half an hour of daylight saving: an hour of ninety minutes, and one of thirty.
        "hour,   Australia/Lord_Howe, 2026-04-05T01:40:00+10:30, 2026-04-05T01:00+11:00,    2026-04-05T02:00+10:30",
        "hour,   Pacific/Chatham,     2026-09-27T03:50:00+13:45, 2026-09-27T03:45+13:45,    2026-09-27T04:00+13:45",
        "hour,   Australia/Lord_Howe, 2026-10-04T02:45:00+11:00, 2026-10-04T02:30+11:00,    2026-10-04T03:00+11:00",
    })
    void periodStartsWhenClocksFirstShowIt(
            String period, String zone, OffsetDateTime moment, OffsetDateTime start, OffsetDateTime end) {
        var calendar = CalendarRefill.of(Period.of(period).orElseThrow(), zone);

        assertThat(calendar.startOf(moment.toEpochSecond())).isEqualTo(start.toEpochSecond());
        assertThat(calendar.endOf(moment.toEpochSecond())).isEqualTo(end.toEpochSecond());
    }

    static Stream<String> zones() {
        return ZONES.stream();
    }

    @ParameterizedTest(name = "{0}, seed 1")
    @MethodSource("zones")
    void periodsFollowOneAnother(String zone) {
        var random = new Random(zone.hashCode());
        for (var period : Period.values()) {
            var calendar = CalendarRefill.of(period, zone);
            for (long moment : moments(zone, random, 300)) {
                double now = moment + random.nextInt(4) / 4.0;

                long start = calendar.startOf(now);
                long end = calendar.endOf(now);

                var where = calendar + " at " + Instant.ofEpochSecond(moment);
                assertThat((double) start).as(where).isLessThanOrEqualTo(now);
                assertThat((double) end).as(where).isGreaterThan(now);
                assertThat(calendar.startOf(start)).as(where).isEqualTo(start);
                assertThat(calendar.startOf(end)).as(where).isEqualTo(end);
                assertThat(calendar.endOf(start - 0.25)).as(where).isEqualTo(start);
            }
        }
    }

    @ParameterizedTest(name = "{0}, seed 2")
    @MethodSource("zones")
    void repeatedDateStartsTheFirstTime(String zone) {
        var random = new Random(2 + zone.hashCode());
        for (var period : List.of(Period.DAY, Period.WEEK, Period.MONTH)) {
            var calendar = CalendarRefill.of(period, zone);
            for (long moment : moments(zone, random, 100)) {
                long start = calendar.startOf(moment);
                var label = label(period, date(zone, start));

                var where = calendar + " at " + Instant.ofEpochSecond(moment);
                for (long before = start - 60; before > start - 7200; before -= 60) {
                    assertThat(label(period, date(zone, before))).as(where).isBefore(label);
                }
                for (int i = 0; i < 50; i++) {
                    long within = start + (long) (random.nextDouble() * (moment - start + 1));
                    assertThat(label(period, date(zone, within))).as(where).isBeforeOrEqualTo(label);
                }
            }
        }
    }

    private static LocalDate date(String zone, long seconds) {
        return Instant.ofEpochSecond(seconds).atZone(ZoneId.of(zone)).toLocalDate();
    }

    private static LocalDate label(Period period, LocalDate date) {
        return switch (period) {
            case WEEK -> date.minusDays(date.getDayOfWeek().getValue() - 1);
            case MONTH -> YearMonth.from(date).atDay(1);
            default -> date;
        };
    }

    /** Returns moments of seventy years, many of them about those at which clocks change. */
    private static List<Long> moments(String zone, Random random, int count) {
        var rules = ZoneId.of(zone).getRules();
        return LongStream.range(0, count)
                .map(i -> {
                    var moment = Instant.ofEpochSecond(
                            OffsetDateTime.parse("1980-01-01T00:00Z").toEpochSecond()
                                    + (long) (random.nextDouble() * 70 * 365.25 * 86_400));
                    var change = rules.nextTransition(moment);
                    return random.nextBoolean() || change == null
                            ? moment.getEpochSecond()
                            : change.getInstant().getEpochSecond() + random.nextInt(14_400) - 7200;
                })
                .boxed()
                .toList();
    }

    @Test
    void daysMayHave23Or25Hours() {
        var berlin = CalendarRefill.of(Period.DAY, "Europe/Berlin");
        var spring = OffsetDateTime.parse("2026-03-29T12:00+02:00").toEpochSecond();
        var autumn = OffsetDateTime.parse("2026-10-25T12:00+01:00").toEpochSecond();

        assertThat(Duration.ofSeconds(berlin.endOf(spring) - berlin.startOf(spring)))
                .isEqualTo(Duration.ofHours(23));
        assertThat(Duration.ofSeconds(berlin.endOf(autumn) - berlin.startOf(autumn)))
                .isEqualTo(Duration.ofHours(25));
    }

    @Test
    void fullAtItsStartThenNoGain() {
        var limit = Limit.each(Period.DAY, "UTC", 10);
        double midnight = OffsetDateTime.parse("2026-11-30T00:00Z").toEpochSecond();
        var left = new Bucket(3, midnight - 0.000001);

        assertThat(TokenBucket.refill(left, limit, midnight - 0.0000005).tokens())
                .isEqualTo(3);
        assertThat(TokenBucket.refill(left, limit, midnight)).isEqualTo(new Bucket(10, midnight));
        assertThat(TokenBucket.refill(new Bucket(3, midnight), limit, midnight + 86_399)
                        .tokens())
                .isEqualTo(3);
    }

    @Test
    void refusalTellsWhenNextPeriodBegins() {
        var limit = Limit.each(Period.HOUR, "UTC", 10);
        var now = Instant.parse("2026-11-29T10:59:58.5Z");
        long micros = ChronoUnit.MICROS.between(Instant.EPOCH, now);
        var empty = new Bucket(0, TokenBucket.seconds(micros) - 1);

        var outcome = TokenBucket.spend(
                empty, Fence.NONE, limit, -1, List.of(Charge.of(4), Charge.of(11)), micros, DecidedBy.LOCAL);

        var exceeded = (Decision.QuotaExceeded) outcome.decisions().get(0);
        assertThat(exceeded.retryAfter()).contains(Duration.ofMillis(1501));
        assertThat(outcome.decisions().get(1)).isInstanceOf(Decision.CostExceedsCapacity.class);
    }

    @Test
    void nextPeriodForgivesADebt() {
        var limit = Limit.each(Period.MONTH, "UTC", 10);
        double december = OffsetDateTime.parse("2026-12-01T00:00Z").toEpochSecond();

        assertThat(TokenBucket.refill(new Bucket(-5, december - 1), limit, december)
                        .tokens())
                .isEqualTo(10);
    }

    @Test
    void longestWaitOfSeveralLimitsCounts() {
        var now = Instant.parse("2026-11-29T10:59:58Z");
        long micros = ChronoUnit.MICROS.between(Instant.EPOCH, now);
        var terms = new Terms(
                0,
                List.of(
                        new NamedLimit("burst", new Limit(10, 1)),
                        new NamedLimit("hour", Limit.each(Period.HOUR, "UTC", 10)),
                        new NamedLimit("day", Limit.each(Period.DAY, "UTC", 10))));
        var empty = new AgentBuckets(
                terms, List.of(new Bucket(0, micros / 1e6), new Bucket(0, micros / 1e6), new Bucket(0, micros / 1e6)));

        var decision = TokenBucket.spend(
                        empty, Fence.NONE, Promises.of(terms), -1, List.of(Charge.of(1)), micros, DecidedBy.LOCAL)
                .decisions()
                .get(0);

        assertThat(((Decision.Refused) decision).refusedBy().name()).isEqualTo("day");
    }

    @Test
    void termsSurviveEncoding() {
        var terms = new Terms(
                17,
                List.of(
                        new NamedLimit("day", Limit.each(Period.DAY, "America/Argentina/ComodRivadavia", 10)),
                        new NamedLimit("burst", new Limit(5, 0.5)),
                        new NamedLimit("month", Limit.each(Period.MONTH, "UTC", 1e12))));

        var encoded = terms.encode(1_796_000_000.25);

        assertThat(Terms.decode(encoded)).isEqualTo(terms);
        assertThat(Terms.decode(encoded).encode(1_796_000_000.75)).isEqualTo(encoded);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Europe/Berln", "europe/berlin", "+02:00", "UTC+1", "", " UTC", "Z", "PST8"})
    void unknownZoneIsRefused(String zone) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CalendarRefill.of(Period.DAY, zone))
                .withMessage("must be the name of a time zone, such as Europe/Berlin or UTC");
    }
}
