package io.tollgate.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class SandboxUsageTest {
    @Test
    void wrongNumberIsExplained() {
        assertThat(said("--records", "x")).endsWith("'--records': must be a whole number, but is \"x\"");
        assertThat(said("--agents", "1.5")).endsWith("must be a whole number, but is \"1.5\"");
        assertThat(said("--rate", "fast")).endsWith("must be a number, but is \"fast\"");
    }

    private static String said(String... arguments) {
        var error = new StringWriter();
        assertThat(Sandbox.commandLine().setErr(new PrintWriter(error)).execute(arguments))
                .isEqualTo(2);
        return error.toString().lines().findFirst().orElse("");
    }
}
