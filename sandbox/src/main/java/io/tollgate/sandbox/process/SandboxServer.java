package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.function.Function;
import java.util.regex.Pattern;

/** A server of the sandbox, which can be started again. */
public abstract class SandboxServer extends SandboxProcess {
    private static final Pattern PORT_TAKEN = Pattern.compile("BindException|Address already in use");
    private static final int ATTEMPTS = 3;

    private final Path log;
    private final int port;

    SandboxServer(ServerHome home, StartOptions<?> options, String logName) {
        super(home);
        log = home.log(options.log, logName);
        port = options.portOrFree();
    }

    abstract ChildProcess launch();

    final Path log() {
        return log;
    }

    /** Returns {@code 127.0.0.1}. */
    public final String host() {
        return "127.0.0.1";
    }

    public final int port() {
        return port;
    }

    /** Returns {@code 127.0.0.1:PORT}. */
    final String address() {
        return host() + ":" + port;
    }

    /**
     * Returns the command that runs a main class in a small JVM.
     *
     * @param shortLived serves for some minutes only, as in tests: its code is then compiled quickly rather than well
     * @param logback where it finds its logging configuration
     */
    static List<String> smallJvm(boolean shortLived, String logback, String classPath, String main, Path argument) {
        return ChildProcess.java(
                List.of(
                        "-Xms128m",
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        shortLived ? "-XX:TieredStopAtLevel=1" : "-XX:+TieredCompilation",
                        "-Djava.awt.headless=true",
                        "-Dlogback.configurationFile=" + logback),
                List.of("-cp", classPath, main, argument.toString()));
    }

    /** Returns the properties in the file of this name beside our classes. */
    static Properties fixedProperties(String resource) {
        var properties = new Properties();
        try (var file = Objects.requireNonNull(SandboxServer.class.getResourceAsStream(resource), resource)) {
            properties.load(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + resource, e);
        }
        return properties;
    }

    /** Writes the properties to a file in the server's folder. */
    final Path write(String name, Properties properties) {
        Path file = home().path().resolve(name);
        try (var writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
        return file;
    }

    /** Returns when the launched process answers. */
    abstract void awaitReady();

    /**
     * Starts a server and returns when it answers. Another process may take a free port in the meantime: then it tries
     * another one.
     *
     * @param launched launches the server in this folder
     * @throws IllegalStateException if it does not answer, with the end of its log
     */
    static <S extends SandboxServer> S start(
            String name, StartOptions<?> options, String folder, Function<ServerHome, S> launched) {
        if (options.port != 0 && !FreePorts.isFree(options.port)) {
            throw new IllegalStateException(
                    name + " cannot listen on 127.0.0.1:" + options.port + ": the port is in use");
        }
        ServerHome home = ServerHome.of(options.dir, folder);
        for (int attempt = 1; ; attempt++) {
            try {
                return answering(launched.apply(home));
            } catch (RuntimeException e) {
                boolean portTaken =
                        PORT_TAKEN.matcher(String.valueOf(e.getMessage())).find();
                if (portTaken && attempt < ATTEMPTS) continue;
                home.discard();
                throw e;
            }
        }
    }

    private static <S extends SandboxServer> S answering(S server) {
        try {
            server.awaitReady();
            return server;
        } catch (RuntimeException e) {
            server.process().close();
            throw e;
        }
    }

    /**
     * Starts the server again on the same port and folder, after an orderly stop if it still runs, and returns when it
     * answers.
     */
    public void restart() {
        stop(GRACE);
        runs(launch());
        awaitReady();
    }
}
