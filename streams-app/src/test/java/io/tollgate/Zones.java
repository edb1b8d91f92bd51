package io.tollgate;

import java.util.stream.Stream;

/** Time zones to try calendars with. */
public final class Zones {
    private Zones() {}

    /** Whole hours, halves and quarters, both hemispheres, midnight that is skipped or comes twice, half an hour of daylight saving. */
    public static Stream<String> all() {
        return Stream.of(
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
    }
}
