package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;

/** The folder of one server: a given one is kept, a temporary one deleted with the server. Immutable. */
public record ServerHome(Path path, boolean temporary) {
    static ServerHome of(Optional<Path> given, String prefix) {
        try {
            if (given.isPresent()) {
                Path absolute = given.get().toAbsolutePath();
                return new ServerHome(Files.createDirectories(absolute), false);
            }
            return new ServerHome(Files.createTempDirectory(prefix), true);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot create the folder " + given.map(Path::toString).orElse(prefix), e);
        }
    }

    /** Returns the time to end in: a server with temporary data needs none. */
    Duration grace() {
        return temporary ? Duration.ZERO : Duration.ofSeconds(15);
    }

    /** Returns the log file, a given one or one in this folder, and creates its folder. */
    Path log(Optional<Path> given, String name) {
        Path log = given.map(Path::toAbsolutePath).orElse(path.resolve(name));
        try {
            Files.createDirectories(log.getParent());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot create the folder of " + log, e);
        }
        return log;
    }

    void discard() {
        if (temporary) deleteTree(path);
    }

    /** Deletes a temporary folder as far as possible. */
    public static void deleteTree(Path root) {
        try (var files = Files.walk(root)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(file);
        } catch (IOException | UncheckedIOException leftBehind) {
            // The system clears temporary folders one day.
        }
    }
}
