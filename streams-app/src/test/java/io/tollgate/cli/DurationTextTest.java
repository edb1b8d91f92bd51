package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DurationTextTest {
    @ParameterizedTest
    @CsvSource({
        "PT0S, 0 s",
        "PT0.0004S, 0 s",
        "PT9.7S, 9.7 s",
        "PT30S, 30 s",
        "PT59.9999S, 59.999 s",
        "PT1M, 1 min 0 s",
        "PT5M12.9S, 5 min 12 s",
        "PT59M59.9S, 59 min 59 s",
        "PT3H12M, 3 h 12 min",
        "PT24H, 1 d 0 h",
        "PT316H59M, 13 d 4 h",
        "PT8760000H, 365000 d 0 h"
    })
    void largeUnitsReplaceSeconds(Duration duration, String text) {
        assertThat(DurationText.of(duration)).isEqualTo(text);
    }
}
