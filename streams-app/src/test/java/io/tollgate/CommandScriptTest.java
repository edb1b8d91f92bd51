package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The script {@code tollgate} in a fresh clone: nothing is built, and without a need for a build there is no Java and
 * no Maven.
 */
class CommandScriptTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Path PAGES = ROOT.resolve("docs/commands");
    private static final List<String> TOOLS = List.of(
            "sh",
            "env",
            "cat",
            "sed",
            "awk",
            "tr",
            "dirname",
            "readlink",
            "head",
            "tail",
            "grep",
            "find",
            "mktemp",
            "rm",
            "touch");

    @TempDir
    private Path clone;

    private Path tools;

    private record Ended(int exitCode, String out, String err) {}

    @BeforeEach
    void cloneWhatTheScriptMayUse() throws IOException {
        Files.copy(ROOT.resolve("tollgate"), clone.resolve("tollgate"), StandardCopyOption.COPY_ATTRIBUTES);
        Files.copy(ROOT.resolve("pom.xml"), clone.resolve("pom.xml"));
        var pages = Files.createDirectories(clone.resolve("docs/commands"));
        try (var files = Files.list(PAGES)) {
            for (Path page : files.toList()) Files.copy(page, pages.resolve(page.getFileName()));
        }
        tools = Files.createDirectory(clone.resolve("tools"));
        for (String tool : TOOLS) script(tools.resolve(tool), "exec " + onPath(tool) + " \"$@\"\n");
    }

    private static Path onPath(String tool) {
        return List.of(System.getenv("PATH").split(":")).stream()
                .map(dir -> Path.of(dir, tool))
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void everyPageIsPrinted() throws IOException {
        try (var files = Files.list(PAGES)) {
            for (Path file :
                    files.filter(page -> page.toString().endsWith(".txt")).toList()) {
                var name = file.getFileName().toString().replace(".txt", "");
                var words = name.equals("tollgate") ? List.<String>of() : List.of(name.split("-"));
                for (var asked : List.of(and(words, "--help"), and(words, "-h"), and(List.of("help"), words))) {
                    long start = System.nanoTime();
                    var ended = run(asked);

                    assertThat(ended).as("%s", asked).isEqualTo(new Ended(0, Files.readString(file), ""));
                    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(2));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "help, tollgate",
        "policy help, policy",
        "policy help set, policy-set",
        "policy set help --capacity 1 --help, policy-set",
        "policy --json set --help, policy-set",
        "-hV, tollgate",
        "sandbox --records 5 --help, sandbox",
        "help help, help",
        "version --help, version",
        "run help, run",
        "topics create help, topics-create",
        "sandbox --records 5 help, sandbox",
        "completion help, completion",
    })
    void helpWorksInAnyPlace(String asked, String page) throws IOException {
        assertThat(run(List.of(asked.split(" "))))
                .isEqualTo(new Ended(0, Files.readString(PAGES.resolve(page + ".txt")), ""));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "version",
                "--version",
                "-V",
                "policy version",
                "policy set --version",
                "sandbox -V",
                "policy list version"
            })
    void versionIsThatOfThePom(String asked) {
        var ended = run(List.of(asked.split(" ")));

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out()).matches("tollgate \\d+\\.\\d+\\.\\d+\\S*\n");
    }

    @Test
    void completionHasEveryCommand() throws Exception {
        var bash = run(List.of("completion", "bash"));

        assertThat(bash.exitCode()).as(bash.err()).isZero();
        assertThat(run(List.of("completion", "zsh"))).isEqualTo(bash);
        var script = Files.writeString(clone.resolve("completion"), bash.out());
        assertThat(completed(script, "tollgate", "")).contains("sandbox", "policy", "completion", "help");
        assertThat(completed(script, "tollgate", "policy", "")).contains("set", "load");
        assertThat(completed(script, "tollgate", "sandbox", "--no-")).contains("--no-redis");
    }

    /** Asks for completions as bash does when TAB is pressed. */
    private List<String> completed(Path script, String... words) throws Exception {
        var ask = ". " + script + "; COMP_WORDS=('" + String.join("' '", words) + "'); COMP_CWORD=" + (words.length - 1)
                + "; _complete_tollgate; printf '%s\\n' \"${COMPREPLY[@]}\"";
        var bash =
                new ProcessBuilder("bash", "-c", ask).redirectErrorStream(true).start();
        return new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .map(String::strip)
                .toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'' | a command is missing: | tollgate",
                "sandbx | unknown command sandbx; did you mean sandbox? | tollgate",
                "polcy list | unknown command polcy; did you mean policy? | tollgate",
                "policy hlp | unknown command hlp; did you mean help? | tollgate policy",
                "policy elk | unknown command elk | tollgate policy",
                "policy | a command is missing: delete, | tollgate policy",
                "help fly | unknown command fly | tollgate",
                "fly --help | unknown command fly | tollgate",
                "../x --help | unknown command ../x | tollgate",
                "--fast | unknown option --fast | tollgate",
                "completion | bash or zsh? | tollgate completion",
                "completion fish | not for fish | tollgate completion",
            })
    void wrongUsageIsTwoLines(String typed, String said, String helpOf) {
        var ended = run(typed.isEmpty() ? List.of() : List.of(typed.split(" ")));

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err()).startsWith("tollgate: ").contains(said).hasLineCount(2);
        assertThat(ended.err().contains("did you mean")).isEqualTo(said.contains("did you mean"));
        assertThat(ended.err()).endsWith("try: " + helpOf + " --help\n");
    }

    @Test
    void archiveAsksItsJarAboutTheSandbox() throws IOException {
        Files.delete(clone.resolve("pom.xml"));

        assertThat(runWithJava(List.of("sandbox")))
                .isEqualTo(
                        new Ended(1, "", "tollgate: the sandbox is part of the sources, not of the release archive\n"));
        for (String asked : List.of("version", "--version", "-V", "policy version")) {
            assertThat(runWithJava(List.of(asked.split(" "))))
                    .isEqualTo(new Ended(1, "", "tollgate: " + clone.resolve("tollgate.jar") + " is missing\n"));
        }
    }

    @Test
    void missingJavaIsNamed() {
        assertThat(run(List.of("policy", "get", "help")))
                .isEqualTo(new Ended(
                        1,
                        "",
                        "tollgate: needs Java 17 or newer, and there is none on the PATH: install a JDK or set"
                                + " JAVA_HOME\n"));
    }

    @Test
    void failedBuildSaysWhyAndWhere() throws IOException {
        maven("""
                echo '[INFO] Scanning for projects...'
                echo '[INFO] Building Tollgate sandbox 0.1.0-SNAPSHOT                                  [2/4]'
                echo '[INFO] --- compiler:3.16.0:compile (default-compile) @ sandbox ---'
                i=0; while [ $i -lt 120 ]; do echo "Downloaded from central: https://x/$i (1 kB at 1 kB/s)"; i=$((i + 1)); done
                echo '[ERROR] COMPILATION ERROR : '
                echo '[ERROR] /src/X.java:[1,10] reached end of file while parsing'
                echo '[INFO] BUILD FAILURE'
                echo '[ERROR] /src/X.java:[1,10] reached end of file while parsing'
                echo '[ERROR] -> [Help 1]'
                echo '[ERROR] '
                echo '[ERROR] Re-run Maven using the -X switch to enable full debug logging.'
                exit 1
                """);

        var ended = runWithJava(List.of("topics", "check"));

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        var lines = ended.err().lines().toList();
        assertThat(lines.subList(0, lines.size() - 1))
                .containsExactly(
                        "tollgate: building; the first time downloads what is needed",
                        "tollgate: building Tollgate sandbox (2/4)",
                        "tollgate: building Tollgate sandbox (2/4): 50 files downloaded",
                        "tollgate: building Tollgate sandbox (2/4): 100 files downloaded",
                        "/src/X.java:[1,10] reached end of file while parsing");
        var log =
                Path.of(lines.get(lines.size() - 1).replace("tollgate: the build failed; all that it said is in ", ""));
        assertThat(log).content().contains("BUILD FAILURE");
        Files.delete(log);
    }

    @Test
    void silentFailureShowsTheEnd() throws IOException {
        maven("echo 'wget: unable to resolve host address'; exit 8\n");

        var ended = runWithJava(List.of("topics", "check"));

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err()).contains("\nwget: unable to resolve host address\n", "all that it said is in ");
    }

    @Test
    void homeNeedsNoVariable() throws IOException {
        maven("echo \"home is $HOME\"; exit 1\n");

        assertThat(runWithJava(List.of("topics", "check")).err())
                .contains("\nhome is " + System.getProperty("user.home") + "\n");
    }

    @ParameterizedTest
    @CsvSource({"ANSI_X3.4-1968, C.UTF-8", "US-ASCII, C.UTF-8", "UTF-8, xy_ZZ.UTF-8", "ISO-8859-15, xy_ZZ.UTF-8"})
    void asciiLocalesAreReplaced(String characters, String locale) throws IOException {
        Files.delete(clone.resolve("pom.xml"));
        Files.createFile(clone.resolve("tollgate.jar"));
        script(tools.resolve("locale"), "[ \"$1\" != charmap ] || echo " + characters + "\n");
        var java = Files.createDirectories(clone.resolve("jdk/bin")).resolve("java");
        script(java, "case $* in *-version) echo 'java.specification.version = 17';; *) echo \"$LC_ALL\";; esac\n");

        var ended = run(
                List.of("policy", "list"),
                Map.of("JAVA_HOME", clone.resolve("jdk").toString(), "LC_ALL", "xy_ZZ.UTF-8"));

        assertThat(ended).isEqualTo(new Ended(0, locale + "\n", ""));
    }

    @ParameterizedTest
    @CsvSource({
        "17, run, '', -XX:+UseParallelGC",
        "25, run, '', -XX:+UseParallelGC -XX:+UseCompactObjectHeaders",
        "17, run, JAVA_OPTS=-Xmx1g -XX:+UseG1GC, -Xmx1g -XX:+UseG1GC",
        "25, run, JAVA_TOOL_OPTIONS=-XX:+UseZGC, -XX:+UseCompactObjectHeaders",
        "17, run, JAVA_OPTS=-XX:+UseNUMA -XX:ParallelGCThreads=2, -XX:+UseParallelGC -XX:+UseNUMA -XX:ParallelGCThreads=2",
        "17, policy list, '', -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "25, policy list, JAVA_OPTS=-XX:+UseG1GC, -XX:TieredStopAtLevel=1 -XX:+UseG1GC",
    })
    void chosenCollectorTakesThePlaceOfOurs(String version, String command, String variable, String options)
            throws IOException {
        Files.delete(clone.resolve("pom.xml"));
        Files.createFile(clone.resolve("tollgate.jar"));
        var java = Files.createDirectories(clone.resolve("jdk/bin")).resolve("java");
        script(
                java,
                "case $* in *-version) echo 'java.specification.version = " + version
                        + "' ;; *) echo \"$*\" | sed 's/ -jar.*//; s/-Dtollgate[^ ]*//; s/  */ /g; s/^ //; s/ $//' ;; esac\n");
        var environment = new HashMap<>(Map.of("JAVA_HOME", clone.resolve("jdk").toString()));
        if (!variable.isEmpty()) environment.put(variable.split("=", 2)[0], variable.split("=", 2)[1]);

        assertThat(run(List.of(command.split(" ")), environment)).isEqualTo(new Ended(0, options + "\n", ""));
    }

    private void maven(String lines) throws IOException {
        script(clone.resolve("mvnw"), lines);
    }

    private static void script(Path file, String lines) throws IOException {
        Files.writeString(file, "#!/bin/sh\n" + lines);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static List<String> and(List<String> words, String last) {
        return and(words, List.of(last));
    }

    private static List<String> and(List<String> words, List<String> more) {
        var all = new ArrayList<>(words);
        all.addAll(more);
        return all;
    }

    private Ended run(List<String> arguments) {
        return run(arguments, Map.of());
    }

    private Ended runWithJava(List<String> arguments) {
        return run(arguments, Map.of("JAVA_HOME", System.getProperty("java.home")));
    }

    private Ended run(List<String> arguments, Map<String, String> environment) {
        var process = new ProcessBuilder(and(List.of(clone.resolve("tollgate").toString()), arguments));
        process.environment().clear();
        process.environment().put("PATH", tools.toString());
        process.environment().put("TMPDIR", clone.toString());
        process.environment().putAll(environment);
        try {
            var out = clone.resolve("out");
            var err = clone.resolve("err");
            var started = process.redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            if (!started.waitFor(30, TimeUnit.SECONDS)) {
                started.destroyForcibly();
                throw new AssertionError(arguments + " does not end");
            }
            return new Ended(started.exitValue(), Files.readString(out), Files.readString(err));
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }
}
