package io.tollgate.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The files with which Tollgate is deployed and watched. Thread-safe. */
public final class DeploymentFiles {
    static final Path ROOT = Path.of("..");

    private static final YAMLMapper YAML = new YAMLMapper();
    private static final Pattern METRIC =
            Pattern.compile("\\b(?:tollgate|kafka|jvm|process|logback|lettuce)_[a-z0-9_]+");

    private DeploymentFiles() {}

    /** Returns every metric that a dashboard or an alert asks for. */
    public static TreeSet<String> metricsAskedFor() {
        var expressions = json("deploy/grafana/dashboards/overview.json").findValuesAsText("expr");
        expressions.addAll(yaml("deploy/prometheus/alerts.yml").findValuesAsText("expr"));
        var names = new TreeSet<String>();
        for (String expression : expressions) {
            metricsIn(expression).forEach(names::add);
        }
        return names;
    }

    /** Returns the metrics of an expression, each as often as it stands there. */
    static Stream<String> metricsIn(String expression) {
        return METRIC.matcher(expression).results().map(MatchResult::group);
    }

    static JsonNode json(String file) {
        try {
            return new ObjectMapper().readTree(text(file));
        } catch (IOException e) {
            throw new UncheckedIOException(file, e);
        }
    }

    /** Returns the document with its anchors and merge keys resolved. */
    static JsonNode yaml(String file) {
        Object resolved = new org.yaml.snakeyaml.Yaml().load(text(file));
        return YAML.valueToTree(resolved);
    }

    static String text(String file) {
        try {
            return Files.readString(ROOT.resolve(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns what the image starts, word for word. */
    static List<String> entryPoint() {
        var line = text("Dockerfile")
                .lines()
                .filter(each -> each.startsWith("ENTRYPOINT "))
                .findFirst()
                .orElseThrow();
        try {
            return List.of(new ObjectMapper().readValue(line.substring("ENTRYPOINT ".length()), String[].class));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<Path> filesIn(String dir) {
        try (var files = Files.list(ROOT.resolve(dir))) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
