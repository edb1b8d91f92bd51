package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * The database of auditors and operators in a PostgreSQL of the sandbox, made by the files of {@code connectors/sql}.
 *
 * <p>Passwords are the names of the roles: it listens on loopback only. Thread-safe.
 */
public final class QuotaDatabase {
    /** The database's name. */
    public static final String NAME = "tollgate";

    private final PostgresServer postgres;

    private QuotaDatabase(PostgresServer postgres) {
        this.postgres = postgres;
    }

    /**
     * Creates database, schemas and roles unless they are there, and two people: {@code auditor} and {@code operator}.
     *
     * @throws IllegalStateException with PostgreSQL's message, if it refuses
     */
    public static QuotaDatabase prepare(PostgresServer postgres) {
        var database = new QuotaDatabase(postgres);
        try {
            database.create();
        } catch (SQLException e) {
            throw new IllegalStateException("the database cannot be prepared: " + e.getMessage(), e);
        }
        return database;
    }

    private void create() throws SQLException {
        try (Connection server = postgres.connect("postgres", PostgresServer.SUPERUSER, PostgresServer.SUPERUSER)) {
            if (exists(server, "SELECT 1 FROM pg_database WHERE datname = '" + NAME + "'")) return;
            // Built beside and renamed, so that an interrupted start leaves no incomplete one.
            run(server, "DROP DATABASE IF EXISTS unfinished");
            run(server, "CREATE DATABASE unfinished");
            try (Connection connection =
                    postgres.connect("unfinished", PostgresServer.SUPERUSER, PostgresServer.SUPERUSER)) {
                connection.setAutoCommit(false); // roles belong to the server, so all or nothing
                for (Path file : sqlFiles()) run(connection, read(file));
                for (String role : List.of("quota_audit_writer", "quota_admin_source")) {
                    run(connection, "ALTER ROLE " + role + " PASSWORD '" + role + "'");
                }
                run(connection, "CREATE ROLE auditor LOGIN PASSWORD 'auditor' IN ROLE quota_auditor");
                run(connection, "CREATE ROLE operator LOGIN PASSWORD 'operator' IN ROLE quota_operator");
                connection.commit();
            }
            run(server, "ALTER DATABASE unfinished RENAME TO " + NAME);
        }
    }

    /** The numbered ones, in order; the others are for reading. */
    private static List<Path> sqlFiles() {
        Path folder = ConnectParts.find().connectors().resolve("sql");
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "[0-9]*.sql")) {
            var sorted = new TreeSet<Path>();
            files.forEach(sorted::add);
            return new ArrayList<>(sorted);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + folder, e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    private static boolean exists(Connection connection, String query) throws SQLException {
        try (var statement = connection.createStatement();
                var rows = statement.executeQuery(query)) {
            return rows.next();
        }
    }

    private static void run(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** Returns the variables that a worker needs to run the files of {@code connectors/}. */
    public Map<String, String> environment() {
        return Map.of(
                "POSTGRES_HOST",
                postgres.host(),
                "POSTGRES_PORT",
                Integer.toString(postgres.port()),
                "POSTGRES_DATABASE",
                NAME,
                "QUOTA_AUDIT_WRITER_PASSWORD",
                "quota_audit_writer",
                "QUOTA_ADMIN_SOURCE_PASSWORD",
                "quota_admin_source");
    }

    /** Opens a connection as a role with its name as password; the caller closes it. */
    public Connection connect(String role) throws SQLException {
        return postgres.connect(NAME, role, role);
    }

    /** Returns the address for {@code psql} as such a role. */
    public String address(String role) {
        return "postgresql://" + role + ":" + role + "@" + postgres.address() + "/" + NAME;
    }
}
