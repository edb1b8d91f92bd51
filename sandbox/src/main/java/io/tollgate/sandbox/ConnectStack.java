package io.tollgate.sandbox;

import io.tollgate.sandbox.process.ConnectWorker;
import io.tollgate.sandbox.process.PostgresServer;
import io.tollgate.sandbox.process.QuotaDatabase;
import java.io.PrintStream;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The parts that {@code sandbox --connect} adds: PostgreSQL with the auditors' and operators' tables, and Kafka Connect
 * between it and Kafka.
 */
final class ConnectStack implements AutoCloseable {
    private final PostgresServer postgres;
    private final QuotaDatabase database;
    private final ConnectWorker worker;
    private final long rowsBefore;
    private final Thread reviver;
    private volatile boolean closing;

    private ConnectStack(PostgresServer postgres, QuotaDatabase database, ConnectWorker worker, PrintStream out) {
        this.postgres = postgres;
        this.database = database;
        this.worker = worker;
        this.rowsBefore = rows();
        this.reviver = new Thread(() -> revive(out), "revive");
        reviver.setDaemon(true);
        reviver.start();
    }

    static PostgresServer startPostgres(Path dir, boolean kept) {
        var options = PostgresServer.PostgresOptions.defaults()
                .withLog(dir.resolve("logs").resolve("postgres.log"));
        return PostgresServer.start(kept ? options.withDir(dir.resolve("postgres")) : options);
    }

    /** Returns when all connectors run. Closes {@code postgres} if that fails. */
    static ConnectStack start(PostgresServer postgres, String bootstrapServers, Path dir, PrintStream out) {
        try {
            var database = QuotaDatabase.prepare(postgres);
            var worker = ConnectWorker.start(ConnectWorker.WorkerOptions.of(bootstrapServers, database.environment())
                    .withDir(dir.resolve("connect"))
                    .withLog(dir.resolve("logs").resolve("connect.log")));
            try {
                worker.loadAll();
                return new ConnectStack(postgres, database, worker, out);
            } catch (RuntimeException e) {
                worker.close();
                throw e;
            }
        } catch (RuntimeException e) {
            postgres.close();
            throw e;
        }
    }

    void printAddresses(PrintStream out) {
        out.println("  Postgres  " + database.address("auditor"));
        out.println(
                "            psql " + database.address("auditor") + " -c 'TABLE quota_audit.most_throttled_agents'");
        out.println(
                "            psql " + database.address("operator")
                        + " -c \"INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate) VALUES ('greedy-1', 5000, 500)\"");
        out.println("  Connect   " + worker.uri());
        out.println("            curl '" + worker.uri() + "/connectors?expand=status'");
        out.println("            kill -9 " + postgres.pid() + " or " + worker.pid()
                + " (PostgreSQL, Connect): they are started again, and no row is lost");
    }

    /** Users will kill them to see what happens, and nothing outside the sandbox would start them again. */
    private void revive(PrintStream out) {
        while (!closing) {
            try {
                if (!postgres.isAlive()) {
                    out.println("PostgreSQL has ended: starting it again");
                    postgres.restart();
                }
                if (!worker.isAlive()) {
                    out.println("Kafka Connect has ended: starting it again");
                    worker.restart();
                }
                worker.restartFailed();
            } catch (RuntimeException e) {
                if (!closing)
                    out.println("not yet: "
                            + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
            }
            LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(1));
        }
    }

    private long rows() {
        try (var connection = database.connect("auditor");
                var statement = connection.createStatement();
                var result = statement.executeQuery("SELECT count(*) FROM quota_audit.rejected_requests")) {
            result.next();
            return result.getLong(1);
        } catch (SQLException away) {
            return -1;
        }
    }

    /**
     * Returns the first rows of the auditors' first view, once {@code rejected} more rows than at the start are there,
     * or 15 s later.
     */
    List<String> mostThrottled(long rejected) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
        long rows = rows() - rowsBefore;
        while (rows < rejected && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(200_000_000);
            rows = rows() - rowsBefore;
        }
        var lines = new ArrayList<String>();
        lines.add(
                String.format(Locale.ROOT, "%,d rows in quota_audit.rejected_requests; most_throttled_agents:", rows));
        try (var connection = database.connect("auditor");
                var statement = connection.createStatement();
                var result = statement.executeQuery(
                        "SELECT to_char(hour, 'YYYY-MM-DD HH24:MI'), agent_id, refusals, tokens_refused"
                                + " FROM quota_audit.most_throttled_agents LIMIT 5")) {
            while (result.next()) {
                lines.add(String.format(
                        Locale.ROOT,
                        "%s  %-12s %,8d refusals, %,.0f tokens",
                        result.getString(1),
                        result.getString(2),
                        result.getLong(3),
                        result.getDouble(4)));
            }
        } catch (SQLException away) {
            lines.add("PostgreSQL does not answer: " + away.getMessage());
        }
        return lines;
    }

    @Override
    public void close() {
        closing = true;
        reviver.interrupt();
        try {
            reviver.join(Duration.ofSeconds(20).toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        worker.close();
        postgres.close();
    }
}
