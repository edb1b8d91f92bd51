package io.tollgate.sandbox.process;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/**
 * The real application, run from its jar as a user runs it, in an environment without settings inherited from this JVM.
 *
 * <p>Thread-safe.
 */
public final class ApplicationProcess extends SandboxProcess {
    private static final Path JAR = Path.of("streams-app", "target", "tollgate.jar");
    private static final Pattern SETTING = Pattern.compile("(KAFKA|REDIS|TOLLGATE|TOKEN)_.*|JAVA_TOOL_OPTIONS");

    /** How to start the application. */
    public static final class AppOptions extends StartOptions<AppOptions> {
        private List<String> arguments = List.of("run");
        private List<String> jvmArguments = List.of("-Xmx512m");
        private Map<String, String> environment = Map.of();
        private boolean classArchive = true;

        private AppOptions() {}

        /** {@code run} without settings, 512 MB of heap, a temporary folder. */
        public static AppOptions defaults() {
            return new AppOptions();
        }

        /** Replaces the command line. */
        public AppOptions withArguments(String... arguments) {
            return changed(copy -> copy.arguments = List.of(arguments));
        }

        /** Sets one more environment variable. By default, only TOLLGATE_HTTP_PORT is set, to a free port. */
        public AppOptions withEnvironment(String name, String value) {
            return changed(copy -> copy.environment = plus(environment, Map.of(name, value)));
        }

        /** Replaces the arguments of the JVM. */
        public AppOptions withJvmArguments(String... jvmArguments) {
            return changed(copy -> copy.jvmArguments = List.of(jvmArguments));
        }

        /** Uses no class data that {@link ApplicationProcess#recordClasses} has kept. */
        public AppOptions withoutClassArchive() {
            return changed(copy -> copy.classArchive = false);
        }

        /** TLS, and the logins of {@link Security#APPLICATION}, with secrets from files. */
        public AppOptions withSecurity(Security security) {
            return changed(copy -> {
                copy.environment = plus(environment, security.applicationEnvironment());
                copy.jvmArguments = plus(jvmArguments, security.trustArguments().toArray(String[]::new));
            });
        }
    }

    private final URI http;
    private final HttpClient client =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(1)).build();

    private ApplicationProcess(ServerHome home, ChildProcess process, URI http) {
        super(home);
        runs(process);
        this.http = http;
    }

    /**
     * Starts the application; does not wait until it is ready.
     *
     * @throws IllegalStateException if its jar has not been built
     */
    public static ApplicationProcess start(AppOptions options) {
        Path jar = findJar();
        return start(options, jar, options.classArchive ? ClassArchive.use(jar) : List.of());
    }

    /**
     * Runs the application until it is ready, and keeps its loaded class data beside its jar: later starts then take
     * half the processor time. Does nothing if that was done before.
     *
     * @throws IllegalStateException if it is not ready, or has not ended, in this time
     */
    public static void recordClasses(AppOptions options, Duration patience) {
        Path jar = findJar();
        if (ClassArchive.isThere(jar)) return;
        // In the jar's folder: a file cannot be moved to another file system at once.
        Path unfinished =
                jar.resolveSibling("classes-of-" + ProcessHandle.current().pid() + ".jsa");
        try (var application = start(options, jar, ClassArchive.write(unfinished))) {
            application.awaitReady(patience);
            application.terminate();
            if (application.awaitExit(patience).isEmpty())
                throw new IllegalStateException("the application has not ended:\n" + application.output());
            ClassArchive.finish(unfinished, jar);
        }
    }

    private static ApplicationProcess start(AppOptions options, Path jar, List<String> classArchive) {
        var environment = new LinkedHashMap<>(options.environment);
        environment.computeIfAbsent("TOLLGATE_HTTP_PORT", variable -> Integer.toString(options.portOrFree()));
        var rest = new ArrayList<>(List.of("-jar", jar.toString()));
        rest.addAll(options.arguments);
        var jvmArguments = new ArrayList<>(options.jvmArguments);
        jvmArguments.addAll(classArchive);
        ServerHome home = ServerHome.of(options.dir, "tollgate-app-");
        ChildProcess process = ChildProcess.start(
                "the application",
                ChildProcess.java(jvmArguments, rest),
                environment,
                ApplicationProcess::isSetting,
                home.path(),
                home.log(options.log, "application.log"));
        URI http = URI.create("http://127.0.0.1:" + environment.get("TOLLGATE_HTTP_PORT"));
        return new ApplicationProcess(home, process, http);
    }

    /**
     * Returns the jar that is run: the system property {@code tollgate.jar}, else
     * {@code streams-app/target/tollgate.jar} in the first folder that has it, going up from this class and from the
     * working folder.
     */
    public static Path findJar() {
        String given = System.getProperty("tollgate.jar");
        if (given != null) {
            Path jar = Path.of(given).toAbsolutePath();
            if (Files.isRegularFile(jar)) return jar;
            throw new IllegalStateException("the application's jar is not at " + jar + ", where -Dtollgate.jar says");
        }
        return Checkout.with(JAR)
                .map(checkout -> checkout.resolve(JAR))
                .orElseThrow(
                        () -> new IllegalStateException(
                                "the application's jar " + JAR
                                        + " has not been built: run ./mvnw -DskipTests package, or say where it is with -Dtollgate.jar=PATH"));
    }

    static boolean isSetting(String variable) {
        return SETTING.matcher(variable).matches();
    }

    /** Returns when {@code GET /health/ready} answers 200: all assigned tasks run. */
    public void awaitReady(Duration timeout) {
        process().awaitReady(this::isReady, timeout);
    }

    /** Returns whether {@code GET /health/ready} answers 200 now. */
    public boolean isReady() {
        var request = HttpRequest.newBuilder(http.resolve("/health/ready"))
                .timeout(Duration.ofSeconds(2))
                .build();
        try {
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException nobody) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Returns {@code http://127.0.0.1:PORT}. */
    public URI http() {
        return http;
    }

    /** SIGTERM; does not wait. */
    public void terminate() {
        process().terminate();
    }

    /** Returns the exit code (128 + n after signal n), or empty if it still runs after {@code timeout}. */
    public OptionalInt awaitExit(Duration timeout) {
        return process().awaitExit(timeout);
    }

    /** Ends the application, cleanly if it can do so within 15 seconds. */
    @Override
    public void close() {
        stop(GRACE);
        home().discard();
    }
}
