package io.tollgate.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class TimeZoneCheckTest {
    @Test
    void differentRulesAreNamed() throws IOException {
        var findings = TimeZoneCheck.among("""
                {"instances":[{"instance":"a:1","time_zones":"2026b"},{"instance":"b:1","time_zones":"2024a"},
                {"instance":"c:1","time_zones":"2026b"}]}""".getBytes(UTF_8));

        assertThat(findings).singleElement().satisfies(finding -> {
            assertThat(finding.fatal()).isFalse();
            assertThat(finding.text()).contains("2024a on b:1; 2026b on a:1, c:1", "the same JDK release");
        });
    }

    @Test
    void equalOrUnknownZonesAreSilent() throws IOException {
        assertThat(TimeZoneCheck.among("""
                {"instances":[{"instance":"a:1","time_zones":"2026b"},{"instance":"b:1","time_zones":null},
                {"instance":"c:1","time_zones":"2026b"},{"instance":"d:1"}]}""".getBytes(UTF_8))).isEmpty();
        assertThat(TimeZoneCheck.among("[]".getBytes(UTF_8))).isEmpty();
    }
}
