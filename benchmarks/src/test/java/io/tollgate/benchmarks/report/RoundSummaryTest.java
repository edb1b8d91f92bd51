package io.tollgate.benchmarks.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class RoundSummaryTest {
    @Test
    void medianIsInTheMiddleOfAnyOrder() {
        assertThat(RoundSummary.of(List.of(9.0, 1.0, 4.0))).isEqualTo(new RoundSummary(4, 1, 9));
        assertThat(RoundSummary.of(List.of(4.0, 1.0, 2.0, 9.0))).isEqualTo(new RoundSummary(3, 1, 9));
    }

    @Test
    void threeDigitsAndThousandsApart() {
        assertThat(new RoundSummary(123_456.7, 100_000, 150_000)).hasToString("123 457 (100 000 to 150 000)");
        assertThat(new RoundSummary(4.567, 4.567, 4.567)).hasToString("4.57");
        assertThat(RoundSummary.figure(45.67)).isEqualTo("45.7");
    }
}
