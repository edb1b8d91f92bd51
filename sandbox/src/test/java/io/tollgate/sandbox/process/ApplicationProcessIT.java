package io.tollgate.sandbox.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ApplicationProcessIT {
    @TempDir
    private Path dir;

    @BeforeEach
    void buildJar() throws IOException {
        var manifest = new Manifest();
        Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.put(Attributes.Name.MAIN_CLASS, FakeApplication.class.getName());
        attributes.put(
                Attributes.Name.CLASS_PATH, location(ApplicationProcess.class) + " " + location(FakeApplication.class));
        Path jar = dir.resolve("application.jar");
        new JarOutputStream(Files.newOutputStream(jar), manifest).close();
        System.setProperty("tollgate.jar", jar.toString());
    }

    private static String location(Class<?> member) {
        return member.getProtectionDomain().getCodeSource().getLocation().toString();
    }

    @AfterEach
    void forgetJar() {
        System.clearProperty("tollgate.jar");
    }

    @Test
    void awaitsReadyAndEndsOnSigterm() {
        try (ApplicationProcess app = ApplicationProcess.start(ApplicationProcess.AppOptions.defaults())) {
            app.awaitReady(Duration.ofSeconds(30));
            assertThat(app.isReady()).isTrue();

            app.terminate();

            assertThat(app.awaitExit(Duration.ofSeconds(10))).hasValue(143);
            assertThat(app.isAlive()).isFalse();
        }
    }

    @Test
    void thawedItAnswersAndCanBeKilled() {
        try (ApplicationProcess app = ApplicationProcess.start(ApplicationProcess.AppOptions.defaults())) {
            app.awaitReady(Duration.ofSeconds(30));
            app.freeze();
            assertThat(app.isReady()).isFalse();

            app.thaw();
            await().until(app::isReady);
            app.kill();

            assertThat(app.awaitExit(Duration.ZERO)).hasValue(137);
        }
    }

    @Test
    void failureHasExitCodeAndOutput() {
        ApplicationProcess.AppOptions options = ApplicationProcess.AppOptions.defaults()
                .withArguments("run", "fail")
                .withEnvironment("TOKEN_BUCKET_SIZE", "5");

        try (ApplicationProcess app = ApplicationProcess.start(options)) {
            assertThatThrownBy(() -> app.awaitReady(Duration.ofSeconds(30)))
                    .hasMessageContaining("exit code 3")
                    .hasMessageContaining("arguments [run, fail]")
                    .hasMessageContaining("TOKEN_BUCKET_SIZE")
                    .hasMessageContaining("PATH");
        }
    }

    @Test
    void seesOnlyTheGivenSettings() throws Exception {
        Path log = dir.resolve("env.log");
        try (var child = ChildProcess.start(
                "env", List.of("env"), Map.of("GIVEN", "1"), name -> name.equals("PATH"), dir, log)) {
            assertThat(child.awaitExit(Duration.ofSeconds(10))).hasValue(0);
            assertThat(child.output()).contains("GIVEN=1").doesNotContain("\nPATH=");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "KAFKA_SASL_JAAS_CONFIG,true",
        "REDIS_URL,true",
        "TOKEN_BUCKET_SIZE,true",
        "TOLLGATE_X,true",
        "PATH,false"
    })
    void ourVariablesCountAsSettings(String name, boolean setting) {
        assertThat(ApplicationProcess.isSetting(name)).isEqualTo(setting);
    }

    @Test
    void missingJarSaysWhereItWasSought() {
        System.setProperty("tollgate.jar", dir.resolve("missing.jar").toString());

        assertThatThrownBy(() -> ApplicationProcess.start(ApplicationProcess.AppOptions.defaults()))
                .hasMessageContaining("missing.jar");
    }
}
