package io.tollgate.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxUsageTest {
    @Test
    void wrongNumberIsExplained() {
        assertThat(said("--records", "x")).endsWith("'--records': must be a whole number, but is \"x\"");
        assertThat(said("--agents", "1.5")).endsWith("must be a whole number, but is \"1.5\"");
        assertThat(said("--rate", "fast")).endsWith("must be a number, but is \"fast\"");
    }

    @Test
    void portsMustDiffer() {
        assertThat(said("--kafka-port", "39200", "--redis-port", "39200"))
                .endsWith("--redis-port must differ from --kafka-port, but is 39200");
        assertThat(said("--redis-port", "39200", "--http-port", "39200"))
                .endsWith("--http-port must differ from --redis-port, but is 39200");
    }

    @Test
    void folderThatCannotBeWrittenIsOneLine(@TempDir Path dir) throws IOException {
        var file = Files.createFile(dir.resolve("file"));

        assertThat(said(1, "--no-app", "--dir", file.toString()))
                .isEqualTo("sandbox: --dir must be a folder that can be written, but is \"" + file + "\"");
    }

    private static String said(String... arguments) {
        return said(2, arguments);
    }

    private static String said(int exitCode, String... arguments) {
        var error = new StringWriter();
        assertThat(Sandbox.commandLine().setErr(new PrintWriter(error)).execute(arguments))
                .isEqualTo(exitCode);
        return error.toString().lines().findFirst().orElse("");
    }
}
