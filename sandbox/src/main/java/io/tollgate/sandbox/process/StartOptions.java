package io.tollgate.sandbox.process;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * How to start a server or an application. Immutable: each method returns changed options.
 *
 * @param <O> the options of one kind of process
 */
public abstract class StartOptions<O extends StartOptions<O>> implements Cloneable {
    Optional<Path> dir = Optional.empty();
    Optional<Path> log = Optional.empty();
    int port;

    StartOptions() {}

    /** Returns a copy with the change. */
    @SuppressWarnings("unchecked") // O is the class of this object
    final O changed(Consumer<O> change) {
        try {
            var copy = (O) clone();
            change.accept(copy);
            return copy;
        } catch (CloneNotSupportedException impossible) {
            throw new AssertionError(impossible);
        }
    }

    static List<String> plus(List<String> list, String... more) {
        return Stream.concat(list.stream(), Stream.of(more)).toList();
    }

    static Map<String, String> plus(Map<String, String> map, Map<String, String> more) {
        var both = new LinkedHashMap<>(map);
        both.putAll(more);
        return both;
    }

    /** Keeps its data in this folder. By default in a temporary one, deleted on close. */
    public O withDir(Path dir) {
        return changed(copy -> copy.dir = Optional.of(dir));
    }

    /** Appends its log to this file. By default to one in its folder. */
    public O withLog(Path log) {
        return changed(copy -> copy.log = Optional.of(log));
    }

    /** Listens on this port. By default, and with 0, on a free one. */
    public O withPort(int port) {
        if (port < 0 || port > 65_535)
            throw new IllegalArgumentException("port must be from 0 to 65535, but is " + port);
        return changed(copy -> copy.port = port);
    }

    /** Returns the port that was set, else a free one. */
    final int portOrFree() {
        return port != 0 ? port : FreePorts.next();
    }
}
