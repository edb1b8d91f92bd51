package io.tollgate.verify;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Period;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Two calendars that share no code: the checker's and the pipeline's. */
class PeriodStartsTest {
    private static final long FROM = OffsetDateTime.parse("1975-01-01T00:00Z").toEpochSecond();
    private static final int YEARS = 90;

    @ParameterizedTest(name = "{0}, seed 1")
    @ValueSource(
            strings = {
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
                "Pacific/Chatham"
            })
    void agreesWithThePipeline(String zone) {
        var random = new Random(zone.hashCode());
        var rules = ZoneId.of(zone).getRules();
        for (var period : Period.values()) {
            var theirs = CalendarRefill.of(period, zone);
            var ours = Objects.requireNonNull(PeriodStarts.of(period.text(), zone));
            for (int i = 0; i < 1000; i++) {
                long second = FROM + (long) (random.nextDouble() * YEARS * 365.25 * 86_400);
                var change = rules.nextTransition(Instant.ofEpochSecond(second));
                if (change != null && random.nextBoolean()) {
                    second = change.getInstant().getEpochSecond() + random.nextInt(15_000) - 7500;
                }
                long micros = second * 1_000_000 + random.nextInt(1_000_000);

                var where = period + " in " + zone + " at " + Instant.ofEpochSecond(second);
                assertThat(ours.startMicros(micros)).as(where).isEqualTo(theirs.startOf(micros / 1e6) * 1_000_000);
                assertThat(ours.endMicros(micros)).as(where).isEqualTo(theirs.endOf(micros / 1e6) * 1_000_000);
            }
        }
    }

    @Test
    void unknownPeriodOrZoneHasNone() {
        assertThat(PeriodStarts.of("year", "UTC")).isNull();
        assertThat(PeriodStarts.of("day", "Europe/Berln")).isNull();
    }
}
