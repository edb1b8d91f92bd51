package io.tollgate.sandbox.process;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.Predicate;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/**
 * A real PostgreSQL on a free port of 127.0.0.1, with logical replication on and passwords asked for.
 *
 * <p>Its files come from the module {@code connect}, which must have been built. Thread-safe, except that only one
 * thread at a time may kill, restart or close it.
 */
public final class PostgresServer extends SandboxServer {
    /** The superuser's name and password: it listens on loopback only. */
    public static final String SUPERUSER = "postgres";

    private static final Duration START_TIMEOUT = Duration.ofSeconds(60);

    /** How to start PostgreSQL. */
    public static final class PostgresOptions extends StartOptions<PostgresOptions> {
        private PostgresOptions() {}

        /** A temporary folder, a free port. */
        public static PostgresOptions defaults() {
            return new PostgresOptions();
        }
    }

    private PostgresServer(ServerHome home, PostgresOptions options) {
        super(home, options, "postgres.log");
        unpack();
        initialise();
        runs(launch());
    }

    /** Starts a new PostgreSQL on a free port, and returns when it answers. */
    public static PostgresServer start() {
        return start(PostgresOptions.defaults());
    }

    /**
     * Starts PostgreSQL and returns when it answers.
     *
     * @throws IllegalStateException if it does not, with the end of its log, or if the module {@code connect} has not
     *     been built
     */
    public static PostgresServer start(PostgresOptions options) {
        return start("PostgreSQL", options, "tollgate-postgres-", home -> new PostgresServer(home, options));
    }

    private Path data() {
        return home().path().resolve("data");
    }

    private Path program(String name) {
        return home().path().resolve("program").resolve("bin").resolve(name);
    }

    private void unpack() {
        if (Files.exists(program("postgres"))) return;
        Path archives = ConnectParts.find().layout().resolve("postgres");
        // Written beside and renamed, so that an interrupted start leaves no incomplete copy.
        Path part = home().path().resolve("program.part");
        ServerHome.deleteTree(part);
        try (DirectoryStream<Path> found = Files.newDirectoryStream(archives, "*.txz");
                InputStream file = Files.newInputStream(found.iterator().next());
                var tar = new TarArchiveInputStream(new XZInputStream(new BufferedInputStream(file)))) {
            for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                Path target = part.resolve(entry.getName()).normalize();
                if (!target.startsWith(part))
                    throw new IOException("the archive leaves its folder: " + entry.getName());
                if (entry.isDirectory()) {
                    Files.createDirectories(target);
                } else {
                    Files.createDirectories(target.getParent());
                    if (entry.isSymbolicLink()) Files.createSymbolicLink(target, Path.of(entry.getLinkName()));
                    else if ((entry.getMode() & 0100) != 0) ChildProcess.installExecutable(tar, target);
                    else Files.copy(tar, target);
                }
            }
            Files.move(part, home().path().resolve("program"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot unpack PostgreSQL to " + home().path(), e);
        }
    }

    private void initialise() {
        if (Files.exists(data().resolve("PG_VERSION"))) return;
        Path password = home().path().resolve("superuser-password");
        try {
            Files.writeString(password, SUPERUSER);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + password, e);
        }
        List<String> command = asUser(
                program("initdb").toString(),
                "--pgdata=" + data(),
                "--username=" + SUPERUSER,
                "--pwfile=" + password,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin", // the same on every machine, regardless of its locales
                "--builtin-locale=C.UTF-8",
                "--no-sync");
        try (var initdb = run("initdb", command)) {
            int code = initdb.awaitExit(START_TIMEOUT).orElse(-1);
            if (code != 0) {
                ServerHome.deleteTree(data());
                throw new IllegalStateException("initdb ended with exit code " + code + "\n" + initdb.output());
            }
        }
    }

    @Override
    ChildProcess launch() {
        var command = asUser(program("postgres").toString(), "-D", data().toString());
        Map.of(
                        "listen_addresses", "127.0.0.1",
                        "port", Integer.toString(port()),
                        "unix_socket_directories", "",
                        "wal_level", "logical",
                        "max_connections", "50",
                        "shared_buffers", "64MB",
                        "max_wal_size", "256MB",
                        "fsync", home().temporary() ? "off" : "on", // off: only a crash of the machine would be noticed
                        "wal_sender_timeout", "10s",
                        "log_line_prefix", "%m [%p] %u ")
                .forEach((name, value) -> command.addAll(List.of("-c", name + "=" + value)));
        return run("PostgreSQL", command);
    }

    private ChildProcess run(String name, List<String> command) {
        Predicate<String> dropped = variable -> variable.startsWith("PG") || variable.startsWith("LC_");
        return ChildProcess.start(name, command, Map.of("LC_ALL", "C"), dropped, home().path(), log());
    }

    /** PostgreSQL refuses to run as root, so root runs it as another user of a user namespace. */
    private static List<String> asUser(String... command) {
        var whole = new ArrayList<String>();
        if (System.getProperty("os.name").equals("Linux") && isRoot()) whole.addAll(List.of("unshare", "-U"));
        whole.addAll(List.of(command));
        return whole;
    }

    private static boolean isRoot() {
        try {
            return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    @Override
    void awaitReady() {
        process().awaitReady(this::answers, START_TIMEOUT);
    }

    private boolean answers() {
        if (FreePorts.isFree(port())) return false;
        try (Connection connection = connect("postgres", SUPERUSER, SUPERUSER)) {
            return connection.isValid(2);
        } catch (SQLException notYet) {
            return false;
        }
    }

    /** Opens a connection that its caller closes. */
    public Connection connect(String database, String user, String password) throws SQLException {
        var properties = new Properties();
        properties.put("user", user);
        properties.put("password", password);
        properties.put("connectTimeout", "5");
        properties.put("socketTimeout", "30");
        return DriverManager.getConnection("jdbc:postgresql://" + address() + "/" + database, properties);
    }

    @Override
    public void restart() {
        stop(Duration.ofSeconds(15));
        long deadline = System.nanoTime() + START_TIMEOUT.toNanos();
        while (true) {
            runs(launch());
            try {
                awaitReady();
                return;
            } catch (IllegalStateException e) {
                // The children of a killed postmaster need a moment to end, and a new postmaster waits for that.
                boolean childrenLeft = String.valueOf(e.getMessage()).contains("still in use");
                if (!childrenLeft || process().isAlive() || System.nanoTime() - deadline > 0) throw e;
            }
        }
    }

    @Override
    void stop(Duration grace) {
        // SIGTERM would wait until the last client has gone.
        if (!grace.isZero()) process().interrupt();
        super.stop(grace);
    }
}
