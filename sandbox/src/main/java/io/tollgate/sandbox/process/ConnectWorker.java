package io.tollgate.sandbox.process;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeSet;

/**
 * A real Kafka Connect worker (distributed mode, a group of one) in a JVM of its own, with the Debezium plugins.
 *
 * <p>Its parts come from the module {@code connectors}, which must have been built. Connectors read hosts and passwords
 * from the worker's environment, as <code>${env:NAME}</code>. Thread-safe, except that only one thread at a time may
 * kill, restart or close it.
 */
public final class ConnectWorker extends SandboxServer {
    private static final Duration START_TIMEOUT = Duration.ofSeconds(90);
    private static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(90);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** How to start a worker, which keeps its state in Kafka. */
    public static final class WorkerOptions extends StartOptions<WorkerOptions> {
        private final String bootstrapServers;
        private final Map<String, String> environment;

        private WorkerOptions(String bootstrapServers, Map<String, String> environment) {
            this.bootstrapServers = bootstrapServers;
            this.environment = Map.copyOf(environment);
        }

        /**
         * A temporary folder, a free port.
         *
         * @param bootstrapServers of Kafka
         * @param environment the variables that connectors may read
         */
        public static WorkerOptions of(String bootstrapServers, Map<String, String> environment) {
            return new WorkerOptions(bootstrapServers, environment);
        }
    }

    private final WorkerOptions options;
    private final ConnectParts parts;
    private final HttpClient client =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build();

    private ConnectWorker(ServerHome home, WorkerOptions options) {
        super(home, options, "connect.log");
        this.options = options;
        this.parts = ConnectParts.find();
        runs(launch());
    }

    /**
     * Starts a worker and returns when it answers.
     *
     * @throws IllegalStateException if it does not, with the end of its log, or if the module {@code connect} has not
     *     been built
     */
    public static ConnectWorker start(WorkerOptions options) {
        return start("Kafka Connect", options, "tollgate-connect-", home -> new ConnectWorker(home, options));
    }

    @Override
    ChildProcess launch() {
        Path logback = home().path().resolve("logback.xml");
        try (var given = Objects.requireNonNull(ConnectWorker.class.getResourceAsStream("/sandbox-logback.xml"))) {
            Files.copy(given, logback, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write to " + home().path(), e);
        }
        var command = smallJvm(
                true, // tests wait for starts
                logback.toString(),
                parts.layout().resolve("worker").resolve("*").toString(),
                "org.apache.kafka.connect.cli.ConnectDistributed",
                write("worker.properties", properties()));
        return ChildProcess.start(
                "Kafka Connect",
                command,
                options.environment,
                variable -> variable.equals("JAVA_TOOL_OPTIONS"),
                home().path(),
                log());
    }

    private Properties properties() {
        var properties = fixedProperties("/sandbox-connect.properties");
        properties.put("bootstrap.servers", options.bootstrapServers);
        properties.put("listeners", uri().toString());
        properties.put("plugin.path", parts.layout().resolve("plugins").toString());
        // No connector can ask for another variable of the worker.
        properties.put(
                "config.providers.env.param.allowlist.pattern",
                String.join("|", new TreeSet<>(options.environment.keySet())));
        return properties;
    }

    @Override
    void awaitReady() {
        process().awaitReady(() -> !FreePorts.isFree(port()) && answers(), START_TIMEOUT);
    }

    private boolean answers() {
        try {
            return send("GET", "/connectors", "", Duration.ofSeconds(2)).statusCode() == 200;
        } catch (IOException nobody) {
            return false;
        }
    }

    /**
     * Creates the connector that a file describes, or updates it; does not wait until it runs.
     *
     * @param file JSON with {@code name} and {@code config}
     * @return the connector's name
     * @throws IllegalStateException if Connect refuses it, with its reason
     */
    public String load(Path file) {
        JsonNode connector;
        try {
            connector = JSON.readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
        String name = connector.path("name").asText();
        ask("PUT", "/connectors/" + name + "/config", connector.path("config").toString());
        return name;
    }

    /** Loads every file of {@code connectors/}, in the order of their names, and returns when all of them run. */
    public void loadAll() {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(parts.connectors(), "*.json")) {
            var sorted = new TreeSet<Path>();
            files.forEach(sorted::add);
            List<String> names = sorted.stream().map(this::load).toList();
            for (String name : names) awaitRunning(name, Duration.ofSeconds(120));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + parts.connectors(), e);
        }
    }

    /**
     * Returns when the connector and all its tasks run.
     *
     * @throws IllegalStateException if one has failed, with the reason, or if the time is over
     */
    public void awaitRunning(String connector, Duration timeout) {
        process()
                .awaitReady(
                        () -> {
                            JsonNode status = status(connector);
                            if (status.toString().contains("\"FAILED\"")) {
                                throw new IllegalStateException(
                                        "the connector " + connector + " has failed: " + status);
                            }
                            return isRunning(status);
                        },
                        timeout);
    }

    /** Returns whether the connector and all its tasks run now. */
    public boolean isRunning(String connector) {
        return isRunning(status(connector));
    }

    private static boolean isRunning(JsonNode status) {
        var states = status.path("tasks").findValuesAsText("state");
        return status.path("connector").path("state").asText().equals("RUNNING")
                && !states.isEmpty()
                && states.stream().allMatch("RUNNING"::equals);
    }

    /** Returns the status of a connector and its tasks; an empty object without an answer. */
    public JsonNode status(String connector) {
        try {
            var reply = send("GET", "/connectors/" + connector + "/status", "", Duration.ofSeconds(5));
            return reply.statusCode() == 200 ? JSON.readTree(reply.body()) : JSON.createObjectNode();
        } catch (IOException nobody) {
            return JSON.createObjectNode();
        }
    }

    /** Starts again those tasks and connectors that have failed. */
    public void restartFailed() {
        JsonNode all;
        try {
            var reply = send("GET", "/connectors?expand=status", "", Duration.ofSeconds(5));
            if (reply.statusCode() != 200) return; // the group is being formed anew
            all = JSON.readTree(reply.body());
        } catch (IOException nobody) {
            return;
        }
        all.fieldNames().forEachRemaining(name -> {
            if (all.path(name).toString().contains("\"FAILED\"")) {
                ask("POST", "/connectors/" + name + "/restart?includeTasks=true&onlyFailed=true", "");
            }
        });
    }

    private String ask(String method, String path, String body) {
        long deadline = System.nanoTime() + REQUEST_TIMEOUT.toNanos();
        while (true) {
            try {
                var reply = send(method, path, body, REQUEST_TIMEOUT);
                if (reply.statusCode() < 300) return reply.body();
                // 409: the group is being formed anew.
                if (reply.statusCode() != 409 || System.nanoTime() - deadline > 0) {
                    throw new IllegalStateException(
                            "Kafka Connect refuses " + method + " " + path + ": " + reply.body());
                }
                Thread.sleep(200);
            } catch (IOException e) {
                throw new UncheckedIOException("Kafka Connect does not answer " + method + " " + path, e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while waiting for Kafka Connect", e);
            }
        }
    }

    private HttpResponse<String> send(String method, String path, String body, Duration timeout) throws IOException {
        var request = HttpRequest.newBuilder(uri().resolve(path))
                .method(method, HttpRequest.BodyPublishers.ofString(body))
                .header("Content-Type", "application/json")
                .timeout(timeout)
                .build();
        try {
            return client.send(request, HttpResponse.BodyHandlers.ofString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    /** Returns {@code http://127.0.0.1:PORT}, the address of its REST API. */
    public URI uri() {
        return URI.create("http://" + address());
    }
}
