package io.tollgate.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Reads variables and collects every mistake, so that all of them are reported in one start. Not thread-safe.
 *
 * <p>A variable that is absent or empty has its default.
 */
final class Env {
    static final String FILE = "_FILE";

    private static final long MAX_SECRET_BYTES = 65_536;

    private final Map<String, String> variables;
    private final Set<String> known = new TreeSet<>();
    private final List<String> mistakes = new ArrayList<>();

    Env(Map<String, String> variables) {
        this.variables = variables;
    }

    Optional<String> text(String name) {
        known.add(name);
        return Optional.ofNullable(variables.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }

    /**
     * Returns what a variable says, or what stands in the file that the variable of the same name and {@code _FILE} names: so
     * that a secret need not be in the environment. One line break at the file's end is no part of it.
     */
    Optional<String> secret(String name) {
        var file = text(name + FILE);
        var value = text(name);
        if (file.isEmpty()) return value;
        if (value.isPresent()) {
            mistake(name + " and " + name + FILE + " are both set: set one of them");
            return value;
        }
        return fileContent(name + FILE, file.get());
    }

    private Optional<String> fileContent(String variable, String file) {
        try {
            var path = Path.of(file);
            if (Files.size(path) > MAX_SECRET_BYTES) throw new IOException("too large");
            return Optional.of(Files.readString(path).replaceFirst("\\r?\\n$", ""))
                    .filter(text -> !text.isBlank())
                    .or(() -> unreadable(variable, file));
        } catch (IOException | InvalidPathException e) { // not found, a folder, no right to read, not UTF-8
            return unreadable(variable, file);
        }
    }

    private Optional<String> unreadable(String variable, String file) {
        mistake(variable, "must name a file that can be read and holds up to " + MAX_SECRET_BYTES + " bytes", file);
        return Optional.empty();
    }

    String text(String name, String otherwise) {
        return text(name).orElse(otherwise);
    }

    /** Returns a number within the bounds; the rule is the end of a sentence ("must be …"). */
    double number(String name, double otherwise, double above, double from, double to, String rule) {
        return parsed(name, otherwise, rule, Env::decimal, n -> n > above && n >= from && n <= to);
    }

    /** Double.valueOf also takes 10d, 0x1p3 and NaN, which nobody means. */
    private static Double decimal(String text) {
        if (!text.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?")) throw new NumberFormatException();
        return Double.valueOf(text);
    }

    int whole(String name, int otherwise, int from, int to, String rule) {
        return parsed(name, otherwise, rule, Integer::valueOf, n -> n >= from && n <= to);
    }

    <T> T oneOf(String name, T otherwise, Map<String, T> legal) {
        return parsed(
                name,
                otherwise,
                "must be one of " + new TreeSet<>(legal.keySet()),
                text -> legal.get(text),
                any -> true);
    }

    private <T> T parsed(String name, T otherwise, String rule, Function<String, T> parse, Function<T, Boolean> legal) {
        var text = text(name);
        if (text.isEmpty()) return otherwise;
        try {
            T value = parse.apply(text.get());
            if (value != null && legal.apply(value)) return value;
        } catch (IllegalArgumentException notParseable) {
            // reported below, like a value out of bounds
        }
        mistake(name, rule, text.get());
        return otherwise;
    }

    /** Notes a mistake; the value is shown, shortened and without control characters. */
    void mistake(String name, String rule, String value) {
        mistakes.add(name + " " + rule + ", but is \"" + printable(value) + "\"");
    }

    /** Notes a mistake in a variable that may hold a secret, or in several together. */
    void mistake(String sentence) {
        mistakes.add(sentence);
    }

    /** Notes every variable that begins with this prefix and that nobody has asked for. */
    void rejectUnknown(String prefix) {
        variables.keySet().stream()
                .filter(name -> name.startsWith(prefix) && !known.contains(name))
                .sorted()
                .forEach(name -> mistakes.add(name + " is not a variable that Tollgate knows"));
    }

    Map<String, String> startingWith(String prefix) {
        var found = new java.util.TreeMap<String, String>();
        variables.forEach((name, value) -> {
            if (name.startsWith(prefix)) found.put(name, value);
        });
        return found;
    }

    List<String> mistakes() {
        return List.copyOf(mistakes);
    }

    private static String printable(String value) {
        var shown = value.length() > 100 ? value.substring(0, 100) + "…" : value;
        return shown.replaceAll("\\p{Cntrl}", "?");
    }
}
