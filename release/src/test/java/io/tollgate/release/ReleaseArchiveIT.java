package io.tollgate.release;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The archive as a user has it: unpacked somewhere, without sources and without Maven. */
class ReleaseArchiveIT {
    private record Ended(int exitCode, String output) {}

    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");

    private static Path unpacked;

    @BeforeAll
    static void unpack(@TempDir Path dir) throws Exception {
        try (var archives = Files.newDirectoryStream(Path.of("target"), "tollgate-*.tar.gz")) {
            var archive = archives.iterator().next().toAbsolutePath();
            assertThat(run(dir, "tar", "-xzf", archive.toString()).exitCode()).isZero();
        }
        try (var dirs = Files.newDirectoryStream(dir, "tollgate-*")) {
            unpacked = dirs.iterator().next();
        }
    }

    @Test
    void commandWorksWithoutMaven() throws Exception {
        var version = tollgate("version");
        assertThat(version.exitCode()).as(version.output()).isZero();
        assertThat(version.output())
                .contains(unpacked.getFileName().toString().replaceFirst("-", " "))
                .doesNotContain("building");

        var help = tollgate("run", "--help");
        assertThat(help.exitCode()).as(help.output()).isZero();
        assertThat(help.output()).contains("Usage: tollgate run");
    }

    @Test
    void sandboxSaysWhereItIs() throws Exception {
        var sandbox = tollgate("sandbox");

        assertThat(sandbox.exitCode()).isEqualTo(1);
        assertThat(sandbox.output().strip())
                .isEqualTo("tollgate: the sandbox is part of the sources, not of the release archive");
    }

    @Test
    void jarNamesExactlyItsLibraries() throws Exception {
        try (var jar = new JarFile(unpacked.resolve("tollgate.jar").toFile());
                var libraries = Files.list(unpacked.resolve("lib"))) {
            var named =
                    jar.getManifest().getMainAttributes().getValue("Class-Path").split(" ");

            assertThat(libraries.map(file -> "lib/" + file.getFileName())).containsExactlyInAnyOrder(named);
        }
    }

    @Test
    void archiveHoldsWhatUsersNeed() {
        for (String file : List.of(
                "LICENSE",
                "README.md",
                "CHANGELOG.md",
                "THIRD-PARTY.txt",
                "schemas/agent-request.schema.json",
                "SECURITY.md",
                "connectors/README.md",
                "token-bucket/README.md",
                "docs/operations.md",
                "deploy/helm/tollgate/Chart.yaml",
                "deploy/kubernetes/stateful-set.yaml",
                "deploy/prometheus/alerts.yml")) {
            assertThat(unpacked.resolve(file)).isNotEmptyFile();
        }
        assertThat(unpacked.resolve("tollgate")).isExecutable();
        assertThat(unpacked.resolve("pom.xml")).doesNotExist();
        assertThat(unpacked.resolve("connectors/pom.xml")).doesNotExist();
    }

    /** As a user reads them, without the sources: every page, not the README alone. */
    @Test
    void linksOfItsPagesStayInside() throws Exception {
        var links = new TreeSet<String>();
        var broken = new TreeSet<String>();
        try (var files = Files.walk(unpacked)) {
            for (Path page :
                    files.filter(file -> file.toString().endsWith(".md")).toList()) {
                String text = Files.readString(page).replaceAll("(?ms)^ *```.*?^ *```$", "");
                for (var link : LINK.matcher(text).results().toList()) {
                    if (link.group(1).matches("[a-z]+:.*|#.*")) continue;
                    String said = unpacked.relativize(page) + " " + link.group(1);
                    links.add(said);
                    if (!Files.exists(page.resolveSibling(link.group(1).replaceFirst("#.*", "")))) broken.add(said);
                }
            }
        }

        assertThat(links).hasSizeGreaterThan(100).anyMatch(link -> link.startsWith("README.md "));
        assertThat(broken).isEmpty();
    }

    /** A version that changes without anybody having asked for it, such as a library's own dependency, shows here. */
    @Test
    @DisabledIfSystemProperty(
            named = "tollgate.maven",
            matches = "offline=true",
            disabledReason = "Maven is offline: the list of parts is made online only")
    void partsAreTheLockedVersions() throws Exception {
        var parts = new TreeSet<String>();
        JsonNode sbom =
                new ObjectMapper().readTree(unpacked.resolve("sbom.cdx.json").toFile());
        for (JsonNode part : sbom.get("components")) {
            if (part.get("group").asText().equals("io.tollgate")) continue;
            parts.add(part.get("purl")
                    .asText()
                    .replaceFirst("\\?.*classifier=([^&]+).*", ":$1")
                    .replaceFirst("\\?.*", ""));
            assertThat(StreamSupport.stream(part.path("hashes").spliterator(), false)
                            .map(hash -> hash.get("alg").asText()))
                    .as(part.get("name").asText())
                    .contains("SHA-256");
        }
        Files.write(Path.of("target", "locked-versions.txt"), parts);

        assertThat(parts)
                .as(
                        "release/locked-versions.txt; if the change is meant, copy release/target/locked-versions.txt there")
                .containsExactlyElementsOf(Files.readAllLines(Path.of("locked-versions.txt")));
    }

    private static Ended tollgate(String... arguments) throws Exception {
        var command = new ArrayList<>(List.of(unpacked.resolve("tollgate").toString()));
        command.addAll(Arrays.asList(arguments));
        return run(unpacked.getParent(), command.toArray(String[]::new));
    }

    private static Ended run(Path dir, String... command) throws IOException, InterruptedException {
        var output = dir.resolve("output.txt");
        var process = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError(String.join(" ", command) + " does not end");
        }
        return new Ended(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
    }
}
