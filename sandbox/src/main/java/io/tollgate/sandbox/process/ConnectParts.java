package io.tollgate.sandbox.process;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The location of the parts too large for the sandbox's own libraries: Kafka Connect, its plugins and PostgreSQL, as
 * laid out by the module {@code connectors}, and the connector files.
 *
 * @param layout holds {@code worker}, {@code plugins} and {@code postgres}
 * @param connectors the folder {@code connectors} of the sources
 */
public record ConnectParts(Path layout, Path connectors) {
    private static final Path LAYOUT = Path.of("connectors", "target", "layout");

    /** Looks in the first folder that has them, going up from this class and from the working folder. */
    public static ConnectParts find() {
        for (Path start : List.of(codeLocation(), Path.of("").toAbsolutePath())) {
            for (Path dir = start; dir != null; dir = dir.getParent()) {
                Path connectors = dir.resolve("connectors");
                if (Files.isDirectory(dir.resolve(LAYOUT)) && Files.isDirectory(connectors)) {
                    return new ConnectParts(dir.resolve(LAYOUT), connectors);
                }
            }
        }
        throw new IllegalStateException("Kafka Connect and PostgreSQL are not in " + LAYOUT
                + ": run ./mvnw -DskipTests package, or ./tollgate sandbox --connect, which does that");
    }

    private static Path codeLocation() {
        try {
            return Path.of(ConnectParts.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
