package io.tollgate.sandbox.process;

import java.nio.file.Path;

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
        var checkout = Checkout.with(LAYOUT)
                .orElseThrow(() -> new IllegalStateException("Kafka Connect and PostgreSQL are not in " + LAYOUT
                        + ": run ./mvnw -DskipTests package, or ./tollgate sandbox --connect, which does that"));
        return new ConnectParts(checkout.resolve(LAYOUT), checkout.resolve("connectors"));
    }
}
