package io.tollgate.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Map;
import java.util.TreeMap;

/** A file to source: afterwards every command in that shell uses this sandbox, and nothing of another one. */
final class EnvFile {
    private EnvFile() {}

    /**
     * Writes the file {@code env} into the folder, for its owner only.
     *
     * @return the line to type, for any POSIX shell
     */
    static String write(Path dir, Map<String, String> variables) throws IOException {
        var file = dir.resolve("env");
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        var lines = new ArrayList<String>();
        lines.add(
                "# Leads the command tollgate to this sandbox, as long as it runs. Settings for another Kafka or Redis are taken out.");
        lines.add("for tollgate_name in $(env | sed -n 's/^\\([A-Z0-9_]*\\)=.*/\\1/p'); do");
        lines.add(
                "  case $tollgate_name in KAFKA_* | REDIS_* | TOKEN_* | TOLLGATE_*) unset \"$tollgate_name\" ;; esac");
        lines.add("done");
        lines.add("unset tollgate_name");
        lines.add("case ${JAVA_OPTS:-} in *javax.net.ssl.trustStore*) unset JAVA_OPTS ;; esac");
        new TreeMap<>(variables).forEach((name, value) -> lines.add("export " + name + "=" + quoted(value)));
        Files.write(file, lines);
        return ". " + word(file);
    }

    /** Returns a path as one word of a command, for any POSIX shell. */
    static String word(Path path) {
        var text = path.toAbsolutePath().toString();
        return text.matches("[A-Za-z0-9_./+@%:,-]+") ? text : quoted(text);
    }

    private static String quoted(String value) {
        return "'" + value.replace("'", "'\\''") + "'";
    }
}
