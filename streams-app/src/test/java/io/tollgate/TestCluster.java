package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lettuce.core.RedisClient;
import io.tollgate.cli.TopicAdmin;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.OwnThread;
import io.tollgate.sandbox.process.SharedServers;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The topics, application id and state folder of one pipeline under test. Not thread-safe. */
final class TestCluster implements AutoCloseable {
    static final int PARTITIONS = 4;

    private static final Duration READY = Duration.ofSeconds(120);

    private final Map<String, String> environment = new HashMap<>();
    private String heap = "256m";
    private final Path dir;

    /** Begun with the first test, which does not wait for it: loading classes is half the time of a start. */
    private static final class ClassData {
        private static final AtomicBoolean BEGUN = new AtomicBoolean();

        static void begin() {
            if (BEGUN.getAndSet(true)) return;
            OwnThread.run(ClassData::record).exceptionally(failed -> {
                System.err.println("starts stay slow, there is no class data: " + failed);
                return null;
            });
        }

        private static void record() {
            try (var cluster = withTopics(sharedBroker()).withSharedRedis()) {
                ApplicationProcess.recordClasses(cluster.options(Map.of(), "run"), READY);
            }
        }
    }

    /** Returns a cluster on the broker that all tests of this JVM share; its topics are there. */
    static TestCluster onSharedBroker() {
        ClassData.begin();
        return withTopics(sharedBroker());
    }

    private static TestCluster withTopics(String bootstrapServers) {
        var cluster = on(bootstrapServers);
        cluster.createTopics();
        return cluster;
    }

    /** Returns the address of the broker that all tests of this JVM share. */
    static String sharedBroker() {
        return SharedServers.bootstrapServers();
    }

    /** Returns a cluster whose topics are still to be created. */
    static TestCluster on(String bootstrapServers) {
        return new TestCluster(bootstrapServers);
    }

    private TestCluster(String bootstrapServers) {
        var name = "t" + UUID.randomUUID().toString().substring(0, 8);
        try {
            dir = Files.createTempDirectory("tollgate-test-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        with("KAFKA_BOOTSTRAP_SERVERS", bootstrapServers);
        with("TOLLGATE_APPLICATION_ID", name);
        with("TOLLGATE_REQUESTS_TOPIC", name + "-requests");
        with("TOLLGATE_APPROVED_TOPIC", name + "-approved");
        with("TOLLGATE_REJECTED_TOPIC", name + "-rejected");
        with("TOLLGATE_POLICIES_TOPIC", name + "-quotas");
        with("TOLLGATE_STATE_DIR", stateDir().toString());
        with("TOLLGATE_STREAM_THREADS", "2");
        // A killed instance leaves its group after this time; the default is 45 s, the minimum of brokers 6 s.
        with("KAFKA_MAIN_CONSUMER_SESSION_TIMEOUT_MS", "6000");
    }

    TestCluster with(String variable, String value) {
        environment.put(variable, value);
        return this;
    }

    /**
     * Uses an empty database of the Redis that all tests of this JVM share: for tests that leave Redis itself alone.
     */
    TestCluster withSharedRedis() {
        return withPatience().with("REDIS_URL", SharedServers.newRedisDatabase());
    }

    /**
     * Waits for Redis as long as settings allow, for tests of its decisions: other programs that start may delay it.
     */
    TestCluster withPatience() {
        return with("TOLLGATE_REDIS_TIMEOUT_MS", "1000");
    }

    /** Returns REDIS_URL. */
    String redisUrl() {
        return environment.get("REDIS_URL");
    }

    TestCluster withLimit(double capacity, double refill) {
        return with("TOKEN_BUCKET_SIZE", Double.toString(capacity)).with("TOKEN_REFILL_RATE", Double.toString(refill));
    }

    Map<String, String> environment() {
        return Map.copyOf(environment);
    }

    Settings settings() {
        try {
            return Settings.from(environment, Settings.Use.TOOL);
        } catch (SettingsException e) {
            throw new IllegalArgumentException(e);
        }
    }

    Path stateDir() {
        return dir.resolve("state");
    }

    /** Returns the setting that gives one more instance a state folder of its own. */
    Map<String, String> ownState(String instance) {
        return Map.of("TOLLGATE_STATE_DIR", dir.resolve("state-" + instance).toString());
    }

    /** Returns whether the instances have the address of Redis. */
    boolean hasRedis() {
        return environment.containsKey("REDIS_URL");
    }

    void createTopics() {
        try (var topics = new TopicAdmin(settings())) {
            topics.create(PARTITIONS, (short) -1);
        }
    }

    /** Runs a command that ends by itself with our settings, in this JVM, which saves seconds. */
    Ended command(String... arguments) {
        var printed = new StringWriter();
        var commands = Tollgate.commandLine(() -> environment)
                .setOut(new PrintWriter(printed, true))
                .setErr(new PrintWriter(printed, true));
        int exitCode = commands.execute(arguments);
        return new Ended(exitCode, printed.toString());
    }

    /** Starts the real jar with our settings; does not wait. */
    ApplicationProcess launch(String... arguments) {
        return launch(Map.of(), arguments);
    }

    /** Starts the real jar with our settings in this working folder; does not wait. */
    ApplicationProcess launchIn(Path dir, String... arguments) {
        return ApplicationProcess.start(options(Map.of(), arguments).withDir(dir));
    }

    /** Starts the real jar with our settings and additional ones; does not wait. */
    ApplicationProcess launch(Map<String, String> more, String... arguments) {
        return ApplicationProcess.start(options(more, arguments));
    }

    private ApplicationProcess.AppOptions options(Map<String, String> more, String... arguments) {
        var options = ApplicationProcess.AppOptions.defaults().withArguments(arguments);
        var variables = new HashMap<>(environment);
        variables.putAll(more);
        for (var variable : variables.entrySet()) {
            options = options.withEnvironment(variable.getKey(), variable.getValue());
        }
        return options.withJvmArguments("-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    }

    /** Gives each pipeline a heap of this size, as {@code -Xmx} takes it; by default 256 MB. */
    TestCluster withHeap(String size) {
        heap = size;
        return this;
    }

    /** Makes programs resolve names from this file only, in the form of {@code /etc/hosts}. */
    TestCluster withHostsFile(Path hosts) {
        return with("JAVA_TOOL_OPTIONS", "-Djdk.net.hosts.file=" + hosts);
    }

    /** Starts the pipeline, and returns when every task runs. */
    ApplicationProcess start() {
        return start(Map.of());
    }

    /** Starts the pipeline with settings for this instance alone, and returns when every task runs. */
    ApplicationProcess start(Map<String, String> more) {
        var application = launch(more, "run");
        try {
            application.awaitReady(READY);
            return application;
        } catch (RuntimeException e) {
            application.close();
            throw e;
        }
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        var properties = new HashMap<String, Object>(more);
        properties.put("bootstrap.servers", settings().kafka().bootstrapServers());
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Publishes a policy. */
    void policy(String agent, String json) {
        try (var producer = producer(Map.of())) {
            producer.send(
                    new ProducerRecord<>(settings().topics().policies(), agent.getBytes(UTF_8), json.getBytes(UTF_8)));
        }
    }

    String requestsTopic() {
        return settings().topics().requests();
    }

    /** Returns the tokens that Redis holds for an agent, whose bucket must be there. */
    static double tokensInRedis(String url, String agent) {
        return numberInRedis(url, agent, "tokens");
    }

    /** Returns a field of the agent's bucket in Redis. */
    static double numberInRedis(String url, String agent, String field) {
        var client = RedisClient.create(url);
        try (var connection = client.connect()) {
            return Double.parseDouble(connection.sync().hget("quota:" + agent + ":tokens", field));
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    /** Returns how many agents have a bucket in Redis. */
    static long bucketsInRedis(String url) {
        var client = RedisClient.create(url);
        try (var connection = client.connect()) {
            return connection.sync().keys("quota:?*:tokens").size();
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    /** Returns a figure without labels from the application's {@code /metrics}. */
    static double metric(ApplicationProcess application, String name) {
        var request =
                HttpRequest.newBuilder(application.http().resolve("/metrics")).build();
        try {
            return HttpClient.newHttpClient()
                    .send(request, HttpResponse.BodyHandlers.ofLines())
                    .body()
                    .filter(line -> line.startsWith(name + " "))
                    .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no metric " + name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /** Lets the application choose its state folder, under this cache folder. */
    TestCluster withDefaultStateDir(Path cache) {
        environment.remove("TOLLGATE_STATE_DIR");
        return with("XDG_CACHE_HOME", cache.toString());
    }

    void deleteStateDir() {
        delete(stateDir());
    }

    private static void delete(Path root) {
        if (!Files.exists(root)) return;
        try (var files = Files.walk(root)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        delete(dir);
    }
}
