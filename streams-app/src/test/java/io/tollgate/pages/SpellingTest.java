package io.tollgate.pages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.tollgate.deploy.Program;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Pages have no misspelling that codespell knows; it is skipped where that is not installed. */
class SpellingTest {
    @Test
    void pagesAreSpeltRight() throws Exception {
        assumeTrue(Program.isOnPath("codespell"), "codespell is not installed");
        var command = new ArrayList<>(List.of("codespell"));
        Page.all().forEach(page -> command.add(page.file().toString()));

        var process = new ProcessBuilder(command)
                .directory(Page.ROOT.toFile())
                .redirectErrorStream(true)
                .start();

        assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEmpty();
        assertThat(process.waitFor()).isZero();
    }
}
