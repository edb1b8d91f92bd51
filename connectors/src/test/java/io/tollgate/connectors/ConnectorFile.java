package io.tollgate.connectors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** One file of {@code connectors/}. */
record ConnectorFile(Path path, String name, Map<String, String> config) {
    static final Path ROOT = Path.of("").toAbsolutePath().getParent();
    static final Path FOLDER = ROOT.resolve("connectors");
    static final ObjectMapper JSON = new ObjectMapper();

    static List<ConnectorFile> all() {
        try (var files = Files.list(FOLDER)) {
            return files.filter(file -> file.toString().endsWith(".json"))
                    .sorted()
                    .map(ConnectorFile::read)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static ConnectorFile named(String name) {
        return read(FOLDER.resolve(name + ".json"));
    }

    private static ConnectorFile read(Path path) {
        JsonNode json = json(path);
        var config = new TreeMap<String, String>();
        json.path("config").properties().forEach(entry -> {
            if (!entry.getValue().isTextual()) throw new IllegalStateException(entry + " must be a string");
            config.put(entry.getKey(), entry.getValue().textValue());
        });
        return new ConnectorFile(path, json.path("name").asText(), config);
    }

    static JsonNode json(Path path) {
        try {
            return JSON.readTree(path.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The files of a folder below {@code schemas}, such as {@code examples/valid/agent-quota.small.json}. */
    static List<Path> schemas(String folder, String prefix) {
        try (var files = Files.list(ROOT.resolve("schemas").resolve(folder))) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
