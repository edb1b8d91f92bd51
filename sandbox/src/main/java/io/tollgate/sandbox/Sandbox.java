package io.tollgate.sandbox;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.ConnectParts;
import io.tollgate.sandbox.process.FreePorts;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.PostgresServer;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.SandboxTopics;
import io.tollgate.sandbox.process.Security;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/**
 * The command {@code sandbox}: everything on one machine, with traffic, until Ctrl-C or until all requests are decided.
 */
@Command(
        name = "sandbox",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Starts a real Kafka broker, a real Redis, the pipeline and sample agents on loopback ports.",
        footer = "%nCtrl-C stops everything and prints a summary. Exit code 0: done, 1: failed, 2: wrong usage.")
public final class Sandbox implements Callable<Integer> {
    private static final double DEFAULT_RATE = 200;

    @Mixin
    private final SandboxOptions given = new SandboxOptions();

    private final PrintStream out = System.out;
    private final StatusLine statusLine = new StatusLine(out);
    private final Thread main = Thread.currentThread();
    private final ExecutorService starters = Executors.newFixedThreadPool(3);
    private final CountDownLatch unwound = new CountDownLatch(1);
    private long startedNanos;
    private boolean closed;
    private volatile boolean interrupted;
    private volatile @Nullable SandboxDir folder;
    private volatile @Nullable Security security;
    private volatile @Nullable KafkaBroker kafka;
    private volatile @Nullable RedisServer redis;
    private volatile @Nullable ApplicationProcess app;
    private volatile @Nullable ConnectStack connectStack;
    private volatile @Nullable DecisionReader decisions;
    private volatile @Nullable SampleAgents traffic;
    private volatile @Nullable SampleWorkers workers;

    private Sandbox() {}

    /** Runs the command and ends the JVM with its exit code. */
    public static void main(String[] args) {
        // Not a logback.xml: this jar is also on the class path of tests that have their own.
        if (System.getProperty("logback.configurationFile") == null) {
            System.setProperty("logback.configurationFile", "sandbox-logback.xml");
        }
        System.exit(commandLine().execute(args));
    }

    /** Returns the command with its options; nothing is started. */
    public static CommandLine commandLine() {
        return new CommandLine(new Sandbox())
                .setExpandAtFiles(false)
                .setExecutionExceptionHandler((exception, command, parsed) -> {
                    if (!(exception instanceof IllegalStateException || exception instanceof UncheckedIOException)) {
                        throw exception;
                    }
                    command.getErr().println("sandbox: " + exception.getMessage());
                    return 1;
                })
                .setParameterExceptionHandler((exception, parsed) -> {
                    var said = exception.getCommandLine().getErr();
                    said.println("sandbox: "
                            + String.valueOf(exception.getMessage())
                                    .replaceFirst(
                                            "'([^']*)' is not an? (int|long)$", "must be a whole number, but is \"$1\"")
                                    .replaceFirst("'([^']*)' is not a double$", "must be a number, but is \"$1\""));
                    said.println("try: tollgate sandbox --help");
                    return 2;
                });
    }

    @Override
    public Integer call() throws Exception {
        given.check();
        var hook = new Thread(this::stopOnSignal, "stop");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            start();
            return run();
        } catch (Exception e) {
            if (!interrupted) throw e;
            return 130; // the hook ends the JVM; failures while it stops everything do not matter
        } finally {
            if (!interrupted) close();
            unwound.countDown();
        }
    }

    private void start() throws Exception {
        SandboxDir opened = SandboxDir.open(Optional.ofNullable(given.dir));
        folder = opened;
        Path dir = opened.path();
        if (given.httpPort != 0 && !given.noApp && !FreePorts.isFree(given.httpPort)) {
            throw new IllegalStateException(
                    "the application cannot listen on 127.0.0.1:" + given.httpPort + ": the port is in use");
        }
        if (!given.noApp) ApplicationProcess.findJar(); // before the seconds that the servers take
        if (given.connect) ConnectParts.find();
        out.println("Starting Kafka" + (given.noRedis ? "" : ", Redis") + (given.connect ? ", PostgreSQL, Connect" : "")
                + (given.noApp ? "" : " and the pipeline") + " ...");

        Path logs = dir.resolve("logs");
        Security users = given.secure ? Security.create(dir.resolve("secure")) : null;
        security = users;
        Future<KafkaBroker> kafkaStart = starters.submit(() -> {
            KafkaBroker.BrokerOptions options = KafkaBroker.BrokerOptions.defaults()
                    .withDir(dir.resolve("kafka"))
                    .withLog(logs.resolve("kafka.log"))
                    .withPort(given.kafkaPort);
            KafkaBroker started = KafkaBroker.start(users == null ? options : options.withSecurity(users));
            kafka = started;
            SandboxTopics.create(started.clientProperties(Security.ADMIN));
            return started;
        });
        Future<PostgresServer> postgresStart =
                given.connect ? starters.submit(() -> ConnectStack.startPostgres(dir, given.dir != null)) : null;
        if (!given.noRedis) {
            RedisServer.RedisOptions options = RedisServer.RedisOptions.defaults()
                    .withDir(dir.resolve("redis"))
                    .withLog(logs.resolve("redis.log"))
                    .withPort(given.redisPort)
                    .withAppendOnly(given.dir != null);
            Future<RedisServer> redisStart = starters.submit(
                    () -> redis = RedisServer.start(users == null ? options : options.withSecurity(users)));
            result(redisStart);
        }
        KafkaBroker broker = result(kafkaStart);
        Future<ConnectStack> connectStart = null;
        if (postgresStart != null) {
            PostgresServer postgres = result(postgresStart);
            connectStart = starters.submit(
                    () -> connectStack = ConnectStack.start(postgres, broker.bootstrapServers(), dir, out));
        }
        if (!given.noApp) {
            // Before the pipeline starts: otherwise decisions about requests of an earlier run would count for this
            // one.
            if (!given.noTraffic) decisions = DecisionReader.start(broker.clientProperties(Security.AUDITORS));
            startApplication(dir, broker);
        }
        if (connectStart != null) result(connectStart);
        new Addresses(opened, kafka, redis, app, connectStack, security).print(out);
    }

    private static <T> T result(Future<T> future) throws InterruptedException {
        try {
            return future.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException failure) throw failure;
            throw new IllegalStateException(e.getCause());
        }
    }

    private void startApplication(Path dir, KafkaBroker broker) throws IOException {
        Path work = Files.createDirectories(dir.resolve("app"));
        ApplicationProcess.AppOptions options = ApplicationProcess.AppOptions.defaults();
        for (Map.Entry<String, String> variable : Addresses.usersSettings().entrySet()) {
            options = options.withEnvironment(variable.getKey(), variable.getValue());
        }
        options = options.withEnvironment("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrapServers())
                .withEnvironment("TOLLGATE_STATE_DIR", work.resolve("state").toString())
                .withDir(work)
                .withPort(given.httpPort)
                .withLog(dir.resolve("logs").resolve("application.log"));
        RedisServer started = redis;
        if (started != null) options = options.withEnvironment("REDIS_URL", started.uri());
        Security users = security;
        if (users != null) options = options.withSecurity(users);
        ApplicationProcess application = ApplicationProcess.start(options);
        app = application;
        application.awaitReady(Duration.ofSeconds(120));
    }

    private int run() throws InterruptedException {
        startedNanos = System.nanoTime();
        DecisionReader reader = decisions;
        KafkaBroker broker = kafka;
        if (reader != null && broker != null) {
            OptionalDouble pace = given.rate != null
                    ? OptionalDouble.of(given.rate)
                    : given.records == null ? OptionalDouble.of(DEFAULT_RATE) : OptionalDouble.empty();
            var started = new SampleAgents(
                    broker.clientProperties(Security.AGENTS),
                    given.records == null ? OptionalLong.empty() : OptionalLong.of(given.records),
                    pace,
                    given.agents,
                    given.skew,
                    reader.tally(),
                    new SplittableRandom(1),
                    Long.toString(System.currentTimeMillis(), 36));
            traffic = started;
            workers = SampleWorkers.start(
                    broker.clientProperties(Security.WORKERS),
                    broker.clientProperties(Security.AUDITORS),
                    new SplittableRandom(2));
            started.start();
            return new TrafficWatch(
                            started, reader, Optional.ofNullable(given.records), this::failIfSomethingDied, statusLine)
                    .run();
        }
        while (true) {
            failIfSomethingDied();
            Thread.sleep(500);
        }
    }

    private void failIfSomethingDied() {
        // A part that we have stopped ourselves is not a failure: the hook sets the flag first.
        if (interrupted) return;
        if (app != null && !app.isAlive()) {
            int code = app.awaitExit(Duration.ZERO).orElse(-1);
            throw new IllegalStateException(
                    "the pipeline has ended with exit code " + code + "; its log ends so:\n" + app.output());
        }
        if (kafka != null && !kafka.isAlive()) {
            throw new IllegalStateException("Kafka has ended; its log ends so:\n" + kafka.output());
        }
    }

    private void stopOnSignal() {
        synchronized (this) {
            if (closed) return; // a clean end, not a signal
        }
        interrupted = true;
        main.interrupt();
        try {
            unwound.await(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        close();
    }

    /** Clients before their servers: agents, pipeline, reader, then the servers. */
    private synchronized void close() {
        if (closed) return;
        closed = true;
        statusLine.end();
        starters.shutdownNow();
        Duration elapsed = Duration.ofNanos(startedNanos == 0 ? 0 : System.nanoTime() - startedNanos);
        if (traffic != null) traffic.close();
        if (interrupted) awaitLast(this::isAllDecided);
        awaitLast(this::isAllSettled);
        if (workers != null) workers.close();
        if (app != null) app.close();
        if (decisions != null) decisions.close();
        try {
            starters.awaitTermination(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        List<String> audit = List.of();
        if (connectStack != null) {
            if (decisions != null) {
                audit = connectStack.mostThrottled(decisions.tally().figures().rejected());
            }
            connectStack.close();
        }
        if (kafka != null) kafka.close();
        if (redis != null) redis.close();
        if (traffic != null && decisions != null) {
            out.print(Summary.of(
                    decisions.tally(),
                    traffic.sent(),
                    workers == null ? SampleWorkers.NONE : workers.worked(),
                    elapsed,
                    audit,
                    given.dir == null || folder == null ? Optional.empty() : Optional.of(folder.path())));
            out.flush();
        }
        if (folder != null) folder.close();
    }

    /** Waits for a moment, because a summary that calls requests under way undecided would worry its reader. */
    private void awaitLast(BooleanSupplier isDone) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
        while (app != null && app.isAlive() && System.nanoTime() - deadline < 0 && !isDone.getAsBoolean()) {
            LockSupport.parkNanos(50_000_000);
        }
    }

    private boolean isAllDecided() {
        DecisionReader reader = decisions;
        return reader == null || reader.tally().figures().missing() == 0;
    }

    private boolean isAllSettled() {
        SampleWorkers reporting = workers;
        if (reporting == null) return true;
        var worked = reporting.worked();
        DecisionReader reader = decisions;
        boolean all = reader == null || worked.holds() >= reader.tally().holds();
        return all && worked.answered() >= worked.reported();
    }
}
