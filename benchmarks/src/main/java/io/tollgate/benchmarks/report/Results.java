package io.tollgate.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.HashSet;
import java.util.List;

/** The file of all measurements, from which the page is written. */
public final class Results {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final ObjectNode root;

    private Results(Path file, ObjectNode root) {
        this.file = file;
        this.root = root;
    }

    public static Results open(Path file) {
        try {
            var root = Files.exists(file) ? JSON.readTree(file.toFile()) : JSON.createObjectNode();
            if (!(root instanceof ObjectNode object)) throw new IllegalStateException(file + " holds no results");
            return new Results(file, object);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    public static ObjectNode row() {
        return JSON.createObjectNode();
    }

    /**
     * Replaces the rows that the new ones measure again, keeps the others, and notes the origin of the new ones.
     *
     * @param keys the fields that rows of the same measurement share
     */
    public void put(String section, String command, String redis, List<ObjectNode> rows, List<String> keys) {
        var measured = new HashSet<List<String>>();
        for (var row : rows) measured.add(key(keys, row));
        var merged = JSON.createArrayNode();
        for (var old : rows(section)) {
            if (!measured.contains(key(keys, old))) merged.add(old);
        }
        var commit = commit();
        for (var row : rows) {
            row.put("commit", commit);
            row.put("date", LocalDate.now().toString());
            merged.add(row);
        }
        var content = JSON.createObjectNode();
        content.put("command", command);
        content.put("machine", Machine.describe());
        content.put("jdk", Machine.jdk());
        content.put("redis", redis);
        content.put("commit", commit);
        content.put("date", LocalDate.now().toString());
        content.set("rows", merged);
        root.set(section, content);
    }

    private static List<String> key(List<String> fields, JsonNode row) {
        return fields.stream().map(field -> row.path(field).asText()).toList();
    }

    public void save() {
        write(file, root.toPrettyString() + "\n");
    }

    /** Writes a file, in a new folder if need be. */
    static void write(Path file, String content) {
        try {
            if (file.getParent() != null) Files.createDirectories(file.getParent());
            Files.writeString(file, content, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    boolean has(String section) {
        return root.has(section);
    }

    /** Returns the section's origin: command, machine, jdk, redis, commit, date. */
    String about(String section, String what) {
        return root.path(section).path(what).asText();
    }

    public ArrayNode rows(String section) {
        return root.path(section).path("rows") instanceof ArrayNode rows ? rows : JSON.createArrayNode();
    }

    private static String commit() {
        var commit = Machine.outputOf("git", "rev-parse", "--short=10", "HEAD");
        boolean clean = Machine.outputOf(
                        "git", "status", "--porcelain", "--untracked-files=no", "--", "*.java", "*.lua", "pom.xml")
                .isEmpty();
        return commit.isEmpty() ? "unknown" : commit + (clean ? "" : " with changes");
    }
}
