package io.tollgate.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EnvFileTest {
    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(strings = {"plain", "with space", "o'clock", "$HOME", "ünï"})
    void sourcingSetsEveryAddress(String name) throws Exception {
        var folder = Files.createDirectory(dir.resolve(name));
        var line = EnvFile.write(
                folder, Map.of("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "REDIS_PASSWORD", "it's \"$HOME\" `x` \\n"));

        assertThat(sourced(line, "printf '%s|' \"$KAFKA_BOOTSTRAP_SERVERS\" \"$REDIS_PASSWORD\""))
                .isEqualTo("127.0.0.1:1|it's \"$HOME\" `x` \\n|");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve("env"))))
                .isEqualTo("rw-------");
    }

    @Test
    void leavesNothingOfAnotherSandbox() throws Exception {
        var line = EnvFile.write(dir, Map.of("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"));

        assertThat(line).isEqualTo(". " + dir.resolve("env"));
        assertThat(sourced(
                        "export KAFKA_SASL_MECHANISM=x REDIS_URL=y TOLLGATE_HTTP_PORT=1 TOKEN_BUCKET_SIZE=5 MY_TOKEN=z"
                                + " JAVA_OPTS=-Djavax.net.ssl.trustStore=x; " + line,
                        "env | grep -E '^(KAFKA_|REDIS_|TOLLGATE_|TOKEN_|MY_|JAVA_OPTS)'"))
                .hasLineCount(2)
                .contains("KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1\n", "MY_TOKEN=z\n");
    }

    private static String sourced(String line, String command) throws IOException {
        var shell = new ProcessBuilder("sh", "-euc", line + "; " + command)
                .redirectErrorStream(true)
                .start();
        return new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
