package io.tollgate.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The scripts of {@code .ci}: no JDK of the machine is forgotten. */
class ContinuousIntegrationTest {
    private record Ended(int exitCode, String output) {}

    @TempDir
    private Path dir;

    @BeforeAll
    static void needsBash() {
        assumeTrue(Program.isOnPath("bash"), "bash is not installed");
    }

    @Test
    void runsOneOfEachJdkFrom17On() throws Exception {
        for (String version : List.of("27-ea", "17.0.15", "11.0.2", "1.8.0_402", "21", "21.0.9")) jdk(version, true);
        jdk("23.0.1", false);

        var plan = run(jdks(), ".ci/run", "--plan");

        assertThat(plan.exitCode()).as(plan.output()).isZero();
        assertThat(plan.output().lines())
                .extracting(line -> line.replaceAll(" /\\S* ", " "))
                .containsExactly("21 clean test", "27 clean test", "17 clean verify");
    }

    @Test
    void onlyLeavesOtherJdksOut() throws Exception {
        for (String version : List.of("17.0.15", "21.0.9", "25")) jdk(version, true);

        assertThat(run(jdks(), ".ci/run", "--only", "21", "--plan").output())
                .startsWith("21 ")
                .hasLineCount(1);
        assertThat(run(jdks(), ".ci/run", "--only", "17", "--plan").output().strip())
                .startsWith("17 ")
                .endsWith("clean verify")
                .hasLineCount(1);
        assertThat(run(jdks(), ".ci/run", "--only", "23", "--plan").output()).contains("there is no JDK 23");
    }

    @Test
    void failsWithoutJdk17() throws Exception {
        jdk("21.0.9", true);

        var plan = run(jdks(), ".ci/run", "--plan");

        assertThat(plan.exitCode()).isEqualTo(1);
        assertThat(plan.output()).contains("there is no JDK 17");
    }

    @Test
    void usesEveryNewerJdkHere() throws Exception {
        var here = new TreeMap<Integer, Path>();
        for (Path folder : List.of(Path.of("/usr/lib/jvm"), Path.of("/opt/java"))) {
            if (!Files.isDirectory(folder)) continue;
            try (var homes = Files.list(folder)) {
                for (Path home : homes.toList()) {
                    if (Files.isExecutable(home.resolve("bin/javac"))) here.put(feature(home), home);
                }
            }
        }
        assumeTrue(here.containsKey(17), "no JDK 17 in the folders where Linux has them");

        var plan = run(null, ".ci/run", "--plan");

        assertThat(plan.output().lines().map(line -> Integer.parseInt(line.split(" ")[0])))
                .containsAll(here.tailMap(17, true).keySet());
    }

    @Test
    void reportsMustBeOfThatJava() throws Exception {
        var reports = Files.createDirectories(dir.resolve("surefire-reports"));
        assertThat(run(null, ".ci/ran-on", "25", reports.toString()).output()).contains("no test has run");

        report(reports, "A", 25);
        assertThat(run(null, ".ci/ran-on", "25", reports.toString()).exitCode()).isZero();

        report(reports, "B", 17);
        var mixed = run(null, ".ci/ran-on", "25", reports.toString());
        assertThat(mixed.exitCode()).isEqualTo(1);
        assertThat(mixed.output()).contains("TEST-B.xml is not of Java 25");
    }

    @Test
    void warningsStopBuildsOfCiOnly() throws Exception {
        var root = Files.readString(DeploymentFiles.ROOT.resolve("pom.xml"));
        int begin = root.indexOf("<id>ci</id>");
        int end = root.indexOf("</profile>", begin);
        var ci = root.substring(begin, end);
        var everybody = root.substring(0, begin) + root.substring(end);

        assertThat(ci)
                .contains("<name>env.CI</name>", "<goal>check</goal>")
                .contains("<javac.fail.on.warning>true</javac.fail.on.warning>");
        assertThat(everybody)
                .contains("<javac.fail.on.warning>false</javac.fail.on.warning>")
                .doesNotContain("-Werror", "<goal>check</goal>");
        try (var modules =
                Files.newDirectoryStream(DeploymentFiles.ROOT, path -> Files.exists(path.resolve("pom.xml")))) {
            for (Path module : modules) {
                assertThat(Files.readString(module.resolve("pom.xml")))
                        .as(module.toString())
                        .doesNotContain("-Werror", "failOnWarning", "fail.on.warning", "<goal>check</goal>");
            }
        }
    }

    @Test
    void skipTestsMeansAllTests() throws Exception {
        assertThat(Files.readString(DeploymentFiles.ROOT.resolve("pom.xml")))
                .contains("<skipITs>${skipTests}</skipITs>");
    }

    private static void report(Path folder, String name, int version) throws IOException {
        Files.writeString(
                folder.resolve("TEST-" + name + ".xml"),
                "<testsuite><properties><property name=\"java.specification.version\" value=\"" + version
                        + "\"/></properties></testsuite>");
    }

    private void jdk(String version, boolean compiler) throws IOException {
        var home = Files.createDirectories(dir.resolve("jdk-" + version));
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
        Files.createDirectories(home.resolve("bin"));
        var program = Files.writeString(home.resolve("bin").resolve(compiler ? "javac" : "java"), "");
        assertThat(program.toFile().setExecutable(true)).isTrue();
    }

    private String jdks() throws IOException {
        try (var homes = Files.list(dir)) {
            return String.join(":", homes.map(Path::toString).toList());
        }
    }

    private static int feature(Path home) throws IOException {
        for (String line : Files.readAllLines(home.resolve("release"))) {
            if (line.startsWith("JAVA_VERSION=\"")) return Integer.parseInt(line.split("[\".+-]")[1]);
        }
        return 0;
    }

    private static Ended run(String jdkFolders, String... command) throws IOException, InterruptedException {
        var words = new ArrayList<>(List.of("bash"));
        words.addAll(List.of(command));
        var builder = new ProcessBuilder(words)
                .directory(DeploymentFiles.ROOT.toFile())
                .redirectErrorStream(true);
        if (jdkFolders != null) builder.environment().put("JDK_FOLDERS", jdkFolders);
        var process = builder.start();
        process.getOutputStream().close();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }
}
