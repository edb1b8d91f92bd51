package io.tollgate.schemas;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Finds and reads the files under {@code schemas/}, wherever the tests are started. */
public final class SchemaFiles {
    private SchemaFiles() {}

    /** Returns the folder {@code schemas} of the repository, looking upwards from the working directory. */
    static Path folder() {
        for (Path here = Path.of("").toAbsolutePath(); here != null; here = here.getParent()) {
            Path schemas = here.resolve("schemas");
            if (Files.exists(schemas.resolve("agent-request.schema.json"))) return schemas;
        }
        throw new IllegalStateException(
                "no folder schemas/ at or above " + Path.of("").toAbsolutePath());
    }

    /** Returns the files of a folder under {@code schemas/} whose name ends in {@code suffix}, in order of their names. */
    public static List<Path> list(String folder, String suffix) {
        try (var files = Files.list(folder().resolve(folder))) {
            return files.filter(file -> file.getFileName().toString().endsWith(suffix))
                    .sorted()
                    .toList();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    public static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }
}
