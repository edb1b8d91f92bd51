package io.tollgate.env;

import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Reads settings from options, from a properties file and from the environment, in this order, and collects every
 * mistake, so that all of them are reported in one start. Not thread-safe.
 *
 * <p>A setting has the name of its variable everywhere. An absent or empty setting has its default. A setting that
 * is empty in the file has its default even if the environment sets it. Variables that Kubernetes sets for Services
 * are ignored.
 */
public final class Env {
    /** The end of the variable that names a file with the secret. */
    public static final String FILE = "_FILE";

    private static final int MAX_FILE_BYTES = 65_536;
    private static final String MASK = "***";
    /** An unknown variable with one of these words in its name may hold a secret. */
    private static final Pattern SECRET_NAME =
            Pattern.compile(".*(PAS|PWD|_PW|SECRET|TOKEN|KEY|CREDENTIAL|JAAS|AUTH|LOGIN).*", Pattern.CASE_INSENSITIVE);

    private static final Pattern URL_LOGIN = Pattern.compile("(?<=//)[^/@]*(/[^@]*)?@");

    private final List<Layer> layers = new ArrayList<>(); // the first that has a name wins
    private final Map<String, Setting> settings = new LinkedHashMap<>();
    private final TreeSet<String> secrets = new TreeSet<>();
    private final List<String> mistakes = new ArrayList<>();

    private record Layer(Origin origin, Map<String, String> values) {}

    private record Found(String value, Origin origin, int layer) {}

    private Env() {}

    /** Returns a reader of these variables. */
    public static Env of(Map<String, String> environment) {
        var env = new Env();
        var variables = new TreeMap<>(environment);
        variables.entrySet().removeIf(each -> ServiceLink.is(each.getKey(), each.getValue()));
        env.layers.add(new Layer(Origin.ENVIRONMENT, variables));
        return env;
    }

    /**
     * Adds a properties file between the options and the environment; its keys are the names of variables. Problems
     * with the file are mistakes like any other. Call it at most once, before anything is read.
     *
     * @param option how the user named the file, such as {@code --config}
     */
    public Env withFile(String option, String file) {
        var values = properties(option, file);
        int options = (int) layers.stream()
                .filter(layer -> layer.origin.kind() == Origin.Kind.OPTION)
                .count();
        layers.add(options, new Layer(new Origin(Origin.Kind.FILE, printable(file)), values));
        return this;
    }

    /**
     * Adds an option of the command line, which overrides everything else. Call it before anything is read.
     *
     * @param option the option as typed, such as {@code --bootstrap-server}
     * @param name the variable it overrides
     */
    public Env withOption(String option, String name, String value) {
        if (value.isBlank()) mistake(option + " must not be empty");
        layers.add(0, new Layer(new Origin(Origin.Kind.OPTION, option), Map.of(name, value)));
        return this;
    }

    private Map<String, String> properties(String option, String file) {
        var values = new TreeMap<String, String>();
        var reading = new Properties() { // which takes the last value of a repeated key silently
                    @Override
                    public synchronized Object put(Object key, Object value) {
                        if (values.putIfAbsent((String) key, (String) value) != null) {
                            mistake(printable((String) key) + " appears twice in " + printable(file)
                                    + ": keep one of them");
                        }
                        return value;
                    }
                };
        try {
            var text = small(file);
            reading.load(new StringReader(text.startsWith("\uFEFF") ? text.substring(1) : text));
        } catch (IOException | InvalidPathException unreadable) {
            mistakes.add(option + " must name a properties file that can be read and holds up to " + MAX_FILE_BYTES
                    + " bytes of UTF-8, but is \"" + printable(file) + "\"");
        } catch (IllegalArgumentException malformed) { // \\u without four digits
            mistakes.add(option + " must name a properties file, but " + printable(file)
                    + " has a malformed escape (write \\\\ for a backslash)");
        }
        return values;
    }

    /** Reads a file of limited size; devices and pipes do not report their size. */
    private static String small(String file) throws IOException {
        try (var in = Files.newInputStream(Path.of(file))) {
            byte[] bytes = in.readNBytes(MAX_FILE_BYTES + 1);
            if (bytes.length > MAX_FILE_BYTES) throw new IOException("too large");
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        }
    }

    /** Returns the value; empty if the setting is unset. */
    public Optional<String> text(String name) {
        var found = find(name);
        note(name, found.map(Found::value).orElse(""), found.map(Found::origin).orElse(Origin.DEFAULT));
        return found.map(Found::value);
    }

    public String text(String name, String otherwise) {
        var found = text(name);
        if (found.isEmpty()) note(name, otherwise, Origin.DEFAULT);
        return found.orElse(otherwise);
    }

    private Optional<Found> find(String name) {
        for (int i = 0; i < layers.size(); i++) {
            var value = layers.get(i).values.get(name);
            if (value == null) continue;
            if (value.isBlank()) return Optional.empty();
            return Optional.of(new Found(value.strip(), layers.get(i).origin, i));
        }
        return Optional.empty();
    }

    /**
     * Returns the value of a variable, or the content of the file named by the same variable with {@code _FILE}. So a
     * secret need not be in the environment. A trailing newline is ignored. No message shows the value.
     */
    public Optional<String> secret(String name) {
        secrets.add(name);
        var value = find(name);
        var file = find(name + FILE);
        note(name, value.isPresent() ? MASK : "", value.map(Found::origin).orElse(Origin.DEFAULT));
        note(
                name + FILE,
                file.map(Found::value).orElse(""),
                file.map(Found::origin).orElse(Origin.DEFAULT));
        if (file.isEmpty()) return value.map(Found::value);
        if (value.isPresent()) {
            int order = Integer.compare(value.get().layer, file.get().layer);
            if (order == 0) mistake(name + " and " + name + FILE + " are both set: set one of them");
            if (order <= 0) return value.map(Found::value);
        }
        var content = fileContent(name + FILE, file.get());
        content.ifPresent(secret -> note(name, MASK, new Origin(Origin.Kind.FILE, printable(file.get().value))));
        return content;
    }

    private Optional<String> fileContent(String variable, Found file) {
        try {
            var text = small(file.value).replaceFirst("\\r?\\n$", "");
            if (!text.isBlank()) return Optional.of(text);
        } catch (IOException | InvalidPathException unreadable) {
            // Not found, a folder, no right to read, not UTF-8: reported below, like an empty one.
        }
        mistake(variable, "must name a file that can be read and holds up to " + MAX_FILE_BYTES + " bytes", file.value);
        return Optional.empty();
    }

    /** Sets the text shown for a secret, to one that is more useful and still reveals no secret. */
    public void show(String name, String masked) {
        var setting = settings.get(name);
        if (setting != null) note(name, masked, setting.origin());
    }

    /** Returns a number within the bounds; the rule is the end of a sentence ("must be …"). */
    public double number(String name, double otherwise, double above, double from, double to, String rule) {
        return parsed(name, otherwise, rule, Env::decimal, n -> n > above && n >= from && n <= to);
    }

    /** Parses a decimal number; Double.valueOf would also accept 10d, 0x1p3 and NaN. */
    private static Double decimal(String text) {
        if (!text.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?")) throw new NumberFormatException();
        return Double.valueOf(text) + 0.0; // and -0 is 0
    }

    public int whole(String name, int otherwise, int from, int to, String rule) {
        return parsed(name, otherwise, rule, Integer::valueOf, n -> n >= from && n <= to);
    }

    public <T> T oneOf(String name, T otherwise, Map<String, T> legal) {
        var value = parsed(name, otherwise, "must be one of " + new TreeSet<>(legal.keySet()), legal::get, any -> true);
        if (find(name).isEmpty()) {
            legal.forEach((text, each) -> {
                if (each.equals(otherwise)) note(name, text, Origin.DEFAULT);
            });
        }
        return value;
    }

    private <T> T parsed(String name, T otherwise, String rule, Function<String, T> parse, Predicate<T> legal) {
        var text = text(name);
        if (text.isEmpty()) {
            note(name, String.valueOf(otherwise).replaceFirst("\\.0$", ""), Origin.DEFAULT);
            return otherwise;
        }
        try {
            T value = parse.apply(text.get());
            if (value != null && legal.test(value)) return value;
        } catch (IllegalArgumentException notParseable) {
            // reported below, like a value out of bounds
        }
        mistake(name, rule, text.get());
        return otherwise;
    }

    private void note(String name, String value, Origin origin) {
        settings.put(name, new Setting(name, withoutLogin(value).replaceAll("\\p{Cntrl}", "?"), origin));
    }

    /** Notes a mistake. It shows the value, shortened and without control characters, and its origin. */
    public void mistake(String name, String rule, String value) {
        mistakes.add(name + " " + rule + ", but is \"" + printable(withoutLogin(value)) + "\"" + whence(name));
    }

    /** Notes a mistake in several variables together. */
    public void mistake(String sentence) {
        mistakes.add(sentence);
    }

    /** Returns the origin as words; empty for the environment, where users look first. */
    private String whence(String name) {
        for (var layer : layers) {
            if (layer.values.containsKey(name)) {
                return layer.origin.kind() == Origin.Kind.ENVIRONMENT ? "" : " (" + layer.origin + ")";
            }
        }
        return "";
    }

    /**
     * Notes a mistake for every variable that was never read, if its name begins with one of these prefixes, resembles
     * a known name, or is in the properties file.
     *
     * @param strict prefixes that are reserved for our variables
     */
    public void rejectUnknown(String... strict) {
        for (var layer : layers) {
            for (var name : layer.values.keySet()) {
                if (settings.containsKey(name)) continue;
                var meant = meant(name, settings.keySet());
                boolean ours = layer.origin.kind() == Origin.Kind.FILE
                        || List.of(strict).stream().anyMatch(name::startsWith);
                if (ours || meant.isPresent()) unknown(name, "is not a variable that Tollgate knows", meant);
            }
        }
    }

    /** Returns the known name that an unknown one most likely means. */
    public static Optional<String> meant(String name, Collection<String> known) {
        return Spelling.meant(name, known);
    }

    /** Notes an unknown variable, with a suggestion. Its value is shown unless it may be a secret. */
    public void unknown(String name, String rule, Optional<String> meant) {
        boolean secret = SECRET_NAME.matcher(name.replaceFirst("^TOKEN_", "")).matches()
                || meant.filter(known -> secrets.contains(known)).isPresent();
        mistake(
                printable(name),
                rule + meant.map(known -> " (did you mean " + known + "?)").orElse(""),
                secret ? MASK : layered(name));
    }

    private String layered(String name) {
        return layers.stream()
                .map(layer -> layer.values.get(name))
                .filter(value -> value != null)
                .findFirst()
                .orElse("");
    }

    private static String withoutLogin(String value) {
        return URL_LOGIN.matcher(value).replaceAll(MASK + "@");
    }

    /**
     * Returns the names that begin with this prefix, with the values that win. Reading one by one notes them as known.
     */
    public SortedMap<String, String> startingWith(String prefix) {
        var found = new TreeMap<String, String>();
        var names = new LinkedHashSet<String>();
        layers.forEach(layer -> names.addAll(layer.values.keySet()));
        names.stream()
                .filter(name -> name.startsWith(prefix))
                .forEach(name -> find(name).ifPresent(value -> found.put(name, value.value)));
        return found;
    }

    /** Notes that a variable is known although it is not one of our settings, so that it is not reported. */
    public void ignore(String name) {
        text(name);
        settings.computeIfPresent(name, (same, setting) -> new Setting(name, "", setting.origin()));
    }

    /** Returns every mistake, one sentence each. */
    public List<String> mistakes() {
        return List.copyOf(mistakes);
    }

    /** Returns every setting that was read, with the value in effect; secrets are masked. */
    public List<Setting> settings() {
        return List.copyOf(settings.values());
    }

    private static String printable(String value) {
        var shown = value.length() > 100 ? value.substring(0, 100) + "…" : value;
        return shown.replaceAll("\\p{Cntrl}", "?");
    }
}
