package io.tollgate.sandbox.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A real Redis on a free port of 127.0.0.1: the executable that comes inside a library, else the {@code redis-server}
 * on the PATH.
 *
 * <p>It never writes snapshots, so a restart brings it back empty, but with the append-only file it has its data. Thread-safe, except
 * that only one thread at a time may kill, restart or close it.
 */
public final class RedisServer extends SandboxServer {
    private static final String VERSION = "7.0.15";
    private static final Duration START_TIMEOUT = Duration.ofSeconds(20);

    /** How to start Redis. */
    public static final class RedisOptions extends StartOptions<RedisOptions> {
        private List<String> config = List.of();
        private Optional<String> password = Optional.empty();

        private Optional<Security> security = Optional.empty();

        private RedisOptions() {}

        /** A temporary folder, a free port, in memory only, no password. */
        public static RedisOptions defaults() {
            return new RedisOptions();
        }

        /** Adds a line of redis.conf: {@code maxmemory 1mb}. */
        public RedisOptions withConfig(String line) {
            return changed(copy -> copy.config = plus(config, line));
        }

        /**
         * Switches the append-only file: every write is in a file before it is answered, and so survives {@code kill}.
         */
        public RedisOptions withAppendOnly(boolean appendOnly) {
            return withConfig("appendonly " + (appendOnly ? "yes" : "no"));
        }

        /** Asks clients for this password. */
        public RedisOptions withPassword(String password) {
            return withConfig("requirepass " + quoted(password)).changed(copy -> copy.password = Optional.of(password));
        }

        /**
         * Adds an ACL user, by rules as after the word {@code user} in redis.conf:
         * {@code app on >secret ~quota:* +@all}.
         */
        public RedisOptions withUser(String rules) {
            return withConfig("user " + rules);
        }

        /** Follows the primary on this port of 127.0.0.1. */
        public RedisOptions withReplicaOf(int primaryPort) {
            return withConfig("replicaof 127.0.0.1 " + primaryPort);
        }

        /**
         * Watches this primary on 127.0.0.1 and replaces it by a replica after a second of silence: a Sentinel instead
         * of a server.
         */
        public RedisOptions asSentinelOf(String name, int primaryPort) {
            return withConfig("sentinel monitor " + name + " 127.0.0.1 " + primaryPort + " 1")
                    .withConfig("sentinel down-after-milliseconds " + name + " 1000")
                    .withConfig("sentinel failover-timeout " + name + " 10000");
        }

        private boolean isSentinel() {
            return config.stream().anyMatch(line -> line.startsWith("sentinel monitor "));
        }

        /** TLS and the ACL user {@link Security#APPLICATION}; the default user is off. */
        public RedisOptions withSecurity(Security security) {
            return changed(copy -> copy.security = Optional.of(security));
        }
    }

    private final RedisOptions options;

    private RedisServer(ServerHome home, RedisOptions options) {
        super(home, options, "redis.log");
        this.options = options;
        runs(launch());
    }

    /** Starts an empty Redis on a free port, in memory only, and returns when it answers. */
    public static RedisServer start() {
        return start(RedisOptions.defaults());
    }

    /**
     * Starts Redis and returns when it answers and has loaded its data.
     *
     * @throws IllegalStateException if it does not, with the end of its log
     */
    public static RedisServer start(RedisOptions options) {
        return start("Redis", options, "tollgate-redis-", home -> new RedisServer(home, options));
    }

    @Override
    ChildProcess launch() {
        Path config = home().path().resolve("redis.conf");
        try {
            Files.write(config, configLines(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + config, e);
        }
        var command = new ArrayList<>(List.of(executable(), config.toString()));
        if (options.isSentinel()) command.add("--sentinel");
        return ChildProcess.start("Redis", command, Map.of(), variable -> false, home().path(), log());
    }

    private List<String> configLines() {
        var lines = new ArrayList<String>();
        lines.add("bind 127.0.0.1");
        options.security.ifPresentOrElse(
                security -> lines.addAll(security.redisConfig(port())), () -> lines.add("port " + port()));
        lines.add("dir " + quoted(home().path().toString()));
        lines.add("save \"\"");
        // With the default of 64 bytes, a bucket with a longer fence takes 500 bytes instead of 300. This is the old
        // name, which all versions know.
        lines.add("hash-max-ziplist-value 512");
        lines.add("repl-diskless-sync-delay 0"); // 5 s by default: a test's replica should not wait for others to join
        lines.addAll(options.config);
        return lines;
    }

    /** Returns a value as redis.conf takes it, whatever is in it. */
    static String quoted(String value) {
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** Returns the program that the system property {@code tollgate.redis-server} names, else the bundled one. */
    private String executable() {
        String given = System.getProperty("tollgate.redis-server");
        if (given != null) return given;
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("mac") ? "darwin" : "linux";
        String cpu = switch (System.getProperty("os.arch")) {
            case "amd64", "x86_64" -> "amd64";
            case "aarch64", "arm64" -> "arm64";
            default -> "other";
        };
        Path file = home().path().resolve("redis-server-" + VERSION);
        if (Files.isExecutable(file)) return file.toString();
        try (InputStream content =
                RedisServer.class.getResourceAsStream("/redis-server-" + VERSION + "-" + os + "-" + cpu)) {
            if (content == null) return "redis-server";
            ChildProcess.installExecutable(content, file);
            return file.toString();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot unpack Redis to " + file, e);
        }
    }

    @Override
    void awaitReady() {
        process().awaitReady(this::answers, START_TIMEOUT);
    }

    private boolean answers() {
        // A refusal (NOAUTH, NOPERM) is an answer as well.
        return ask("PING").filter(reply -> !reply.startsWith("-LOADING")).isPresent();
    }

    /**
     * Returns the reply to a command, as typed; a missing value is an empty text.
     *
     * @throws IllegalStateException if Redis refuses it, or does not answer within a second
     */
    public String text(String command) {
        try (var socket = newSocket()) {
            var reader = sent(socket, command);
            String first = String.valueOf(reader.readLine());
            if (!first.startsWith("$")) {
                if (!first.startsWith("+")) throw new IllegalStateException(command + ": " + first);
                return first.substring(1);
            }
            // Our answers are ASCII; -1 is the length of a missing value.
            var text = new char[Math.max(0, Integer.parseInt(first.substring(1)))];
            int read = 0;
            while (read < text.length) {
                int more = reader.read(text, read, text.length - read);
                if (more < 0) throw new IllegalStateException(command + ": the answer is cut off");
                read += more;
            }
            return new String(text);
        } catch (IOException nobody) {
            throw new IllegalStateException(command + ": no answer", nobody);
        }
    }

    /** Returns the first line of the reply to a command, as typed; empty without an answer within a second. */
    public Optional<String> ask(String command) {
        try (var socket = newSocket()) {
            var reader = sent(socket, command);
            return Optional.ofNullable(reader.readLine());
        } catch (IOException nobody) {
            return Optional.empty();
        }
    }

    private BufferedReader sent(Socket socket, String command) throws IOException {
        socket.connect(new InetSocketAddress(FreePorts.loopback(), port()), 1000);
        socket.setSoTimeout(1000);
        socket.getOutputStream().write((command + "\r\n").getBytes(StandardCharsets.UTF_8));
        return new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
    }

    private Socket newSocket() throws IOException {
        return options.security.isPresent()
                ? options.security.get().trusting().getSocketFactory().createSocket()
                : new Socket();
    }

    /**
     * Returns {@code redis://127.0.0.1:PORT}, with the password if there is one; with security {@code rediss://},
     * without.
     */
    public String uri() {
        if (options.security.isPresent()) return "rediss://" + address();
        String login = options.password
                .map(password -> ":"
                        + URLEncoder.encode(password, StandardCharsets.UTF_8).replace("+", "%20") + "@")
                .orElse("");
        return URI.create("redis://" + login + address()).toString();
    }
}
