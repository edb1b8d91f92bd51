package io.tollgate.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** GitHub's workflows call scripts that anybody can run, and nothing else; and the scripts of a release. */
class WorkflowsTest {
    private static final String DIR = ".github/workflows";

    private record Ended(int exitCode, String output) {}

    static List<String> workflows() {
        return DeploymentFiles.filesIn(DIR).stream()
                .map(file -> DIR + "/" + file.getFileName())
                .toList();
    }

    @Test
    void everyWorkflowExists() {
        assertThat(workflows()).containsExactly(DIR + "/build.yml", DIR + "/image.yml", DIR + "/release.yml");
    }

    @ParameterizedTest
    @MethodSource("workflows")
    void stepsCallScriptsOnly(String file) {
        var workflow = DeploymentFiles.yaml(file);
        var commands = workflow.findValuesAsText("run");

        assertThat(commands).as(file).isNotEmpty().allSatisfy(command -> {
            assertThat(command).hasLineCount(1).doesNotContain(";", "&&", "|");
            var script = DeploymentFiles.ROOT.resolve(command.split(" ")[0]);
            assertThat(script).isRegularFile().isExecutable();
        });
        assertThat(workflow.findValuesAsText("uses")).isNotEmpty().allSatisfy(used -> {
            if (used.startsWith("./"))
                assertThat(DeploymentFiles.ROOT.resolve(used)).isRegularFile();
            else assertThat(used).matches("[\\w./-]+@v\\d+");
        });
    }

    @ParameterizedTest
    @MethodSource("workflows")
    void rightsAndTimeAreLimited(String file) {
        var workflow = DeploymentFiles.yaml(file);

        assertThat(workflow.get("permissions").isObject()).isTrue();
        for (JsonNode job : workflow.get("jobs")) {
            if (!job.has("uses")) // another workflow, which says it itself
            assertThat(job.get("timeout-minutes").asInt()).isBetween(1, 120);
        }
        // What a stranger may choose, such as the name of a branch, must not become part of a command.
        assertThat(workflow.findValuesAsText("run"))
                .allSatisfy(command ->
                        assertThat(command.replace("${{ matrix.java }}", "")).doesNotContain("${{"));
    }

    @Test
    void buildUsesEverySupportedJava() {
        var versions = DeploymentFiles.yaml(DIR + "/build.yml").at("/jobs/build/strategy/matrix/java");

        assertThat(versions.valueStream().map(JsonNode::asText)).containsExactly("17", "21", "25");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "release/release",
                "release/image",
                "release/set-version",
                "release/upload",
                "streams-app/src/test/compatibility/record"
            })
    void scriptsAreBash(String script) throws Exception {
        assumeTrue(Program.isOnPath("bash"), "bash is not installed");

        assertThat(run(DeploymentFiles.ROOT, "bash", "-n", script).exitCode()).isZero();
        assertThat(DeploymentFiles.ROOT.resolve(script)).isExecutable();
        var alone = run(DeploymentFiles.ROOT, "bash", script);
        assertThat(alone.exitCode()).isNotZero();
        assertThat(alone.output()).contains(script.replaceFirst(".*/", ""));
    }

    @Test
    void releaseGetsItsVariables() {
        var given = DeploymentFiles.yaml(DIR + "/release.yml").findValue("env");
        var needed = Pattern.compile("(?m)^#   ([A-Z_]+)(?:, ([A-Z_]+))? ")
                .matcher(DeploymentFiles.text("release/release"))
                .results()
                .flatMap(line -> Stream.of(line.group(1), line.group(2)))
                .filter(name -> name != null)
                .toList();

        assertThat(needed).containsExactly("MAVEN_GPG_KEY", "MAVEN_GPG_PASSPHRASE", "CENTRAL_TOKEN");
        assertThat(needed).allMatch(given::has);
    }

    @Test
    void newVersionIsNamedEverywhere(@TempDir Path dir) throws Exception {
        assumeTrue(Program.isOnPath("bash"), "bash is not installed");
        var old = version(DeploymentFiles.ROOT);
        var files = List.of(
                "pom.xml",
                "streams-app/pom.xml",
                "spring-boot/4.0/pom.xml",
                "docker-compose.yml",
                "deploy/helm/tollgate/Chart.yaml",
                "token-bucket/README.md",
                "deploy/kubernetes/kustomization.yaml",
                "schemas/asyncapi.yaml",
                "CHANGELOG.md",
                "release/set-version");
        for (String file : files) {
            Files.createDirectories(dir.resolve(file).getParent());
            Files.copy(DeploymentFiles.ROOT.resolve(file), dir.resolve(file));
        }

        var snapshot = run(dir, "bash", "release/set-version", "7.8.0-SNAPSHOT");
        assertThat(snapshot.exitCode()).as(snapshot.output()).isZero();
        assertThat(Files.readString(dir.resolve("deploy/kubernetes/kustomization.yaml")))
                .doesNotContain("7.8");
        var set = run(dir, "bash", "release/set-version", "7.8.9");
        assertThat(set.exitCode()).as(set.output()).isZero();

        assertThat(version(dir)).isEqualTo("7.8.9");
        for (String file : files.subList(0, 8)) {
            assertThat(Files.readString(dir.resolve(file)))
                    .as(file)
                    .contains("7.8.9")
                    .doesNotContain(old, "7.8.0-SNAPSHOT");
        }
        assertThat(Files.readString(dir.resolve("CHANGELOG.md")))
                .containsPattern("\n## \\[Unreleased]\n\n## \\[7\\.8\\.9] - \\d{4}-\\d\\d-\\d\\d\n\n### ");
        assertThat(run(dir, "bash", "release/set-version", "next").exitCode()).isEqualTo(2);
    }

    @Test
    void uploadSendsWhatWasChecked(@TempDir Path dir) throws Exception {
        assumeTrue(Program.isOnPath("bash") && Program.isOnPath("sha256sum"), "bash or sha256sum is not installed");
        var programs = Files.createDirectories(dir.resolve("bin"));
        for (var program : List.of("gh", "curl")) {
            var file = Files.writeString(programs.resolve(program), "#!/bin/sh\necho \"" + program + " $*\"\n");
            assertThat(file.toFile().setExecutable(true)).isTrue();
        }
        for (var ending : List.of(".tar.gz", ".tgz", ".sbom.cdx.json", "-central.zip")) {
            Files.writeString(dir.resolve("tollgate-7.8.9" + ending), ending);
        }
        assertThat(run(dir, "bash", "-c", "sha256sum tollgate-7.8.9.t* > SHA256SUMS")
                        .exitCode())
                .isZero();
        var upload = "PATH=" + programs + ":$PATH CENTRAL_TOKEN=t bash "
                + DeploymentFiles.ROOT.toAbsolutePath().resolve("release/upload") + " 7.8.9 " + dir;

        var uploaded = run(dir, "bash", "-c", upload);
        assertThat(uploaded.exitCode()).as(uploaded.output()).isZero();
        assertThat(uploaded.output())
                .containsSubsequence(
                        "gh release upload v7.8.9", "bundle=@tollgate-7.8.9-central.zip", "gh release edit v7.8.9");

        Files.writeString(dir.resolve("tollgate-7.8.9.tgz"), "changed");
        var changed = run(dir, "bash", "-c", upload);
        assertThat(changed.exitCode()).isEqualTo(1);
        assertThat(changed.output()).doesNotContain("gh ", "bundle=");
    }

    private static String version(Path root) throws Exception {
        var found =
                Pattern.compile("(?m)^  <version>(.*)</version>$").matcher(Files.readString(root.resolve("pom.xml")));
        assertThat(found.find()).isTrue();
        return found.group(1);
    }

    private static Ended run(Path dir, String... command) throws Exception {
        var process = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }
}
