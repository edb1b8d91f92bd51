package io.tollgate.env;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EnvTest {
    @TempDir
    private Path dir;

    @Test
    void optionsBeforeFileBeforeEnvironment() throws IOException {
        var file = file("TOLLGATE_A=file", "TOLLGATE_B=file", "TOLLGATE_D =", "# a remark");
        var env = Env.of(Map.of(
                        "TOLLGATE_A", "environment",
                        "TOLLGATE_B", "environment",
                        "TOLLGATE_C", "environment",
                        "TOLLGATE_D", "environment"))
                .withOption("--a", "TOLLGATE_A", "option")
                .withFile("--config", file);

        assertThat(env.text("TOLLGATE_A")).hasValue("option");
        assertThat(env.text("TOLLGATE_B")).hasValue("file");
        assertThat(env.text("TOLLGATE_C")).hasValue("environment");
        assertThat(env.text("TOLLGATE_D", "default")).isEqualTo("default");
        assertThat(env.whole("TOLLGATE_E", 7, 0, 9, "")).isEqualTo(7);
        assertThat(env.settings())
                .extracting(
                        Setting::name,
                        Setting::value,
                        setting -> setting.origin().toString())
                .containsExactly(
                        tuple("TOLLGATE_A", "option", "--a"),
                        tuple("TOLLGATE_B", "file", "file " + file),
                        tuple("TOLLGATE_C", "environment", "environment"),
                        tuple("TOLLGATE_D", "default", "default"),
                        tuple("TOLLGATE_E", "7", "default"));
        env.rejectUnknown("TOLLGATE_");
        assertThat(env.mistakes()).isEmpty();
    }

    @Test
    void mistakesSayWhereTheyStand() throws IOException {
        var file = file("TOLLGATE_A=x");
        var env = Env.of(Map.of("TOLLGATE_C", "z")).withFile("--config", file).withOption("--b", "TOLLGATE_B", "y");

        for (var name : new String[] {"TOLLGATE_A", "TOLLGATE_B", "TOLLGATE_C"}) env.whole(name, 1, 1, 2, "must be 1");

        assertThat(env.mistakes())
                .containsExactly(
                        "TOLLGATE_A must be 1, but is \"x\" (file " + file + ")",
                        "TOLLGATE_B must be 1, but is \"y\" (--b)",
                        "TOLLGATE_C must be 1, but is \"z\"");
    }

    @Test
    void unknownKeysInTheFileAreMistakes() throws IOException {
        var file = file("HOME=/", "bootstrap.servers=a:1", "TOLLGATE_PROT=8080", "TOKEN_SECRET=x");
        var env = Env.of(Map.of("HOME", "/", "PATH", "/")).withFile("--config", file);
        env.text("TOLLGATE_PORT");

        env.rejectUnknown("TOLLGATE_");

        assertThat(env.mistakes())
                .containsExactly(
                        "HOME is not a variable that Tollgate knows, but is \"/\" (file " + file + ")",
                        "TOKEN_SECRET is not a variable that Tollgate knows, but is \"***\" (file " + file + ")",
                        "TOLLGATE_PROT is not a variable that Tollgate knows (did you mean TOLLGATE_PORT?), but is"
                                + " \"8080\" (file " + file + ")",
                        "bootstrap.servers is not a variable that Tollgate knows, but is \"a:1\" (file " + file + ")");
    }

    @Test
    void sameKeyTwiceInTheFileIsAMistake() throws IOException {
        var file = file("TOLLGATE_A=1", "TOLLGATE_A=2");

        assertThat(Env.of(Map.of()).withFile("--config", file).mistakes())
                .containsExactly("TOLLGATE_A appears twice in " + file + ": keep one of them");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "missing", "\u0000", "/"})
    void unreadableFileIsOneMistake(String name) {
        var file = name.equals("missing") ? dir.resolve(name).toString() : name;

        assertThat(Env.of(Map.of()).withFile("--config", file).mistakes())
                .singleElement()
                .asString()
                .startsWith("--config must name a properties file that can be read");
    }

    /** One that has no end, and no size either. */
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void deviceIsNotAFile() {
        var env = Env.of(Map.of("A_FILE", "/dev/zero")).withFile("--config", "/dev/zero");

        assertThat(env.secret("A")).isEmpty();
        assertThat(env.mistakes()).hasSize(2).allMatch(mistake -> mistake.contains(" can be read and holds up to"));
    }

    @Test
    void malformedEscapeIsOneMistake() throws IOException {
        assertThat(Env.of(Map.of())
                        .withFile("--config", file("TOLLGATE_STATE_DIR=C:\\users"))
                        .mistakes())
                .singleElement()
                .asString()
                .contains("malformed escape");
    }

    @Test
    void emptyOptionIsAMistake() {
        assertThat(Env.of(Map.of()).withOption("--a", "TOLLGATE_A", " ").mistakes())
                .containsExactly("--a must not be empty");
    }

    @Test
    void secretsComeFromFilesUnseen() throws IOException {
        var file = file("hunter2");
        var env = Env.of(Map.of("A_FILE", file, "B", "hunter2", "C", "hunter2", "C_FILE", file))
                .withOption("--d", "D", "hunter3");

        assertThat(env.secret("A")).hasValue("hunter2");
        assertThat(env.secret("B")).hasValue("hunter2");
        env.secret("C");
        assertThat(env.mistakes()).containsExactly("C and C_FILE are both set: set one of them");
        assertThat(env.settings()).extracting(Setting::value).doesNotContain("hunter2");
        assertThat(env.settings())
                .filteredOn(setting -> setting.name().equals("A"))
                .extracting(setting -> setting.origin().toString())
                .containsExactly("file " + file);
    }

    @Test
    void outerLayersSecretWins() throws IOException {
        var secret = file("from-file");
        var config = Files.writeString(dir.resolve("config"), "A=from-config\nB_FILE=" + secret + "\n");
        var env = Env.of(Map.of("A_FILE", secret, "B", "from-environment")).withFile("--config", config.toString());

        assertThat(env.secret("A")).hasValue("from-config");
        assertThat(env.secret("B")).hasValue("from-file");
        assertThat(env.mistakes()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "TOLLGATE_SERVICE_HOST, 10.0.0.1",
        "TOLLGATE_SERVICE_PORT, 8080",
        "TOLLGATE_SERVICE_PORT_HTTP, 8080",
        "TOLLGATE_REDIS_SERVICE_PORT_REDIS_TLS, 6380",
        "TOLLGATE_PORT, tcp://10.0.0.1:8080",
        "TOLLGATE_HTTP_PORT, tcp://10.0.0.1:8080",
        "TOLLGATE_HTTP_PORT_8080_TCP, tcp://10.0.0.1:8080",
        "TOLLGATE_REDIS_PORT_6379_TCP_ADDR, 10.0.0.1",
        "TOLLGATE_REDIS_PORT_6379_TCP_PORT, 6379",
        "TOLLGATE_REDIS_PORT_6379_TCP_PROTO, tcp",
        "TOLLGATE_DNS_PORT_53_UDP, udp://10.0.0.1:53",
        "TOLLGATE_DNS_PORT, udp://10.0.0.1:53",
        "TOLLGATE_X_PORT_5000_SCTP_PROTO, sctp",
    })
    void kubernetesServiceNamesAreLeftOut(String name, String value) {
        var env = Env.of(Map.of(name, value));

        assertThat(env.whole("TOLLGATE_HTTP_PORT", 8080, 0, 65_535, "must be a port"))
                .isEqualTo(8080);
        env.rejectUnknown("TOLLGATE_");

        assertThat(env.mistakes()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "TOLLGATE_PORT, 8080",
        "TOLLGATE_SERVICE, tcp://10.0.0.1:8080",
        "TOLLGATE_PORT_6379, tcp://10.0.0.1:6379",
        "TOLLGATE_SERVICE_NAME, x",
        "TOLLGATE_PORT, http://10.0.0.1:8080",
    })
    void nearServiceNameIsAMistake(String name, String value) {
        var env = Env.of(Map.of(name, value));

        env.rejectUnknown("TOLLGATE_");

        assertThat(env.mistakes()).singleElement().asString().startsWith(name + " is not a variable");
    }

    private String file(String... lines) throws IOException {
        return Files.write(dir.resolve("file"), java.util.List.of(lines)).toString();
    }
}
