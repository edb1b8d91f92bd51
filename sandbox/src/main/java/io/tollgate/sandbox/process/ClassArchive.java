package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/**
 * Class data of the application, beside its jar: a start that reads them takes half the processor time. Callers with
 * many starts, such as tests, {@linkplain #record record} them once; every later start of that jar uses them. Java
 * ignores an archive of another jar or another Java.
 */
final class ClassArchive {
    private ClassArchive() {}

    /** One for each Java version: Java does not read another version's archive, and tests may run on several. */
    private static Path of(Path jar) {
        return jar.resolveSibling("classes-" + Runtime.version() + ".jsa");
    }

    static boolean isThere(Path jar) {
        try {
            return Files.exists(of(jar))
                    && Files.getLastModifiedTime(of(jar)).compareTo(Files.getLastModifiedTime(jar)) > 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the JVM arguments of a start; a mismatched archive is ignored silently. */
    static List<String> use(Path jar) {
        return isThere(jar)
                ? List.of("-XX:SharedArchiveFile=" + of(jar), "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
                : List.of();
    }

    /** Returns the JVM arguments of a start that writes the archive when it ends cleanly. */
    static List<String> write(Path unfinished) {
        return List.of("-XX:ArchiveClassesAtExit=" + unfinished, "-Xlog:cds=off", "-Xlog:cds+dynamic=off");
    }

    /** At once, because others may be starting. */
    static void finish(Path unfinished, Path jar) {
        try {
            Files.move(unfinished, of(jar), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
