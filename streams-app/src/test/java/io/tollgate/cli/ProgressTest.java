package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class ProgressTest {
    @Test
    void withoutATerminalAFewLines() {
        var said = new StringWriter();
        long start = System.nanoTime();

        try (var progress = new Progress("publishing", Long.MAX_VALUE / 200, new PrintWriter(said))) {
            while (System.nanoTime() - start < Duration.ofMillis(5500).toNanos()) progress.step();
        }

        assertThat(said.toString()).matches("publishing: \\d+ of \\d+ \\(0 %\\)\\R");
    }
}
