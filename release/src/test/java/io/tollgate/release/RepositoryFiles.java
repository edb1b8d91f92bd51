package io.tollgate.release;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.yaml.snakeyaml.Yaml;

/** Files of the repository, by their paths from its root. Thread-safe. */
final class RepositoryFiles {
    static final Path ROOT = Path.of("..");

    private static final YAMLMapper YAML = new YAMLMapper();

    private RepositoryFiles() {}

    static String text(String file) {
        try {
            return Files.readString(ROOT.resolve(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode yaml(String file) {
        return documents(text(file)).get(0);
    }

    /** Returns each document of a YAML stream that is not empty, with its anchors and merge keys resolved. */
    static List<JsonNode> documents(String yaml) {
        return StreamSupport.stream(new Yaml().loadAll(yaml).spliterator(), false)
                .<JsonNode>map(YAML::valueToTree)
                .filter(JsonNode::isContainerNode)
                .toList();
    }

    static JsonNode json(String file) {
        try {
            return new ObjectMapper().readTree(text(file));
        } catch (IOException e) {
            throw new UncheckedIOException(file, e);
        }
    }

    /** Returns the names of the files in a folder, sorted. */
    static List<String> namesIn(String dir) {
        try (var files = Files.list(ROOT.resolve(dir))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
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
}
