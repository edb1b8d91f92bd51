package io.tollgate.preflight;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClockCheckTest {
    @ParameterizedTest
    @CsvSource({"3600000, ahead of", "-3600000, behind"})
    void clockAnHourAwayIsAWarning(long away, String said) {
        var findings = new ArrayList<Finding>();

        ClockCheck.compare("Redis", findings, () -> System.currentTimeMillis() + away);

        assertThat(findings).singleElement().satisfies(finding -> {
            assertThat(finding.fatal()).isFalse();
            assertThat(finding.text()).startsWith("the clock of Redis is 36").contains(said + " this host's");
        });
    }

    @Test
    void slowAnswerIsNoDifference() {
        var findings = new ArrayList<Finding>();
        long asked = System.currentTimeMillis();

        ClockCheck.compare("Redis", findings, () -> {
            while (System.currentTimeMillis() < asked + 1200) Thread.onSpinWait();
            return asked;
        });

        assertThat(findings).isEmpty();
    }
}
