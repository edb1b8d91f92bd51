package io.tollgate.benchmarks.run;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisException;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.ServerHome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongFunction;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/** A broker and a Redis in processes of their own, and contestants on them one after the other. */
final class TestBed implements AutoCloseable {
    static final int PARTITIONS = 8;

    /** The same for every contestant. */
    private static final List<String> JVM = List.of("-Xms512m", "-Xmx1g");

    /** As the command and the image start Tollgate. */
    private static final String COLLECTOR = "-XX:+UseParallelGC";

    private static final String SMALL_OBJECTS = "-XX:+UseCompactObjectHeaders";

    /** The variable of options for the JVM; among them may be another collector. */
    static final String JVM_OPTIONS = "JAVA_TOOL_OPTIONS";

    private static final Path PATH_REDIS = findRedis();

    /** A policies topic with one policy that limits no agent. */
    static final String EVERYBODY_OFF = "agent-quotas-off";

    /** A policies topic with a policy equal to the default for each of many prefixes: every agent has one. */
    static final String PREFIXES = "agent-quotas-prefixes";

    /** A policies topic equal to the default, whose holds end by themselves after a second and give all back. */
    static final String SHORT_HOLDS = "agent-quotas-short-holds";

    private static final int PREFIX_COUNT = 100_000;

    private static final Duration DECIDE_ALL = Duration.ofMinutes(5);

    private final Path dir;
    private final KafkaBroker broker;
    private final RedisServer redis;
    private final Admin admin;
    private final RedisClient redisClient;
    private final RedisCommands<String, String> redisCommands;
    private final int partitions;
    private final Map<Workload, Long> preloaded = new HashMap<>();
    private int turns;

    private TestBed(Path dir, KafkaBroker broker, RedisServer redis, int partitions) {
        this.dir = dir;
        this.partitions = partitions;
        this.broker = broker;
        this.redis = redis;
        this.admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()));
        this.redisClient = RedisClient.create(redis.uri());
        this.redisCommands = redisClient.connect().sync();
    }

    /** Starts both, with empty topics for policies and events; requests topics have {@value #PARTITIONS} partitions. */
    static TestBed open() {
        return open(PARTITIONS);
    }

    /** As {@link #open()}, with so many partitions. */
    static TestBed open(int partitions) {
        try {
            var dir = Files.createTempDirectory("tollgate-benchmarks-");
            var testBed =
                    new TestBed(dir, KafkaBroker.start(KafkaBroker.BrokerOptions.defaults()), openRedis(), partitions);
            testBed.createTopics(List.of(
                    topic("agent-quotas", 1, "cleanup.policy", "compact"),
                    plain("quota-events", 1),
                    plain("agent-usage", partitions),
                    plain("settled-requests", partitions)));
            testBed.publishPolicies(EVERYBODY_OFF, 1, n -> "*", "{\"capacity\":1,\"refill_rate\":1,\"mode\":\"off\"}");
            return testBed;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Starts the Redis of the PATH if there is one: distributions build it with jemalloc, the bundled one is static.
     */
    static RedisServer openRedis() {
        if (PATH_REDIS.toString().isEmpty()) System.clearProperty("tollgate.redis-server");
        else System.setProperty("tollgate.redis-server", PATH_REDIS.toString());
        return RedisServer.start();
    }

    /** Returns the program that runs there. */
    static String executable(RedisServer redis) {
        if (!PATH_REDIS.toString().isEmpty()) return PATH_REDIS.toString();
        return ProcessHandle.of(redis.pid())
                .flatMap(process -> process.info().command())
                .orElse("redis-server");
    }

    /** Connects; tries more than once, because this JVM is cold and a busy machine slow. */
    static void connect(RedisBuckets buckets) {
        for (int attempt = 1; ; attempt++) {
            try {
                buckets.probe(Duration.ofSeconds(5));
                return;
            } catch (RedisException e) {
                if (attempt == 5) throw e;
            }
        }
    }

    private static Path findRedis() {
        for (String folder : System.getenv().getOrDefault("PATH", "").split(":")) {
            var file = Path.of(folder, "redis-server");
            if (!folder.isEmpty() && Files.isExecutable(file)) return file;
        }
        return Path.of("");
    }

    /** Returns the server's version, allocator and origin. */
    static String describe(RedisCommands<String, String> redis) {
        var info = redis.info();
        return "Redis " + field(info, "redis_version") + ", " + field(info, "mem_allocator")
                + (PATH_REDIS.toString().isEmpty() ? ", bundled" : ", " + PATH_REDIS)
                + ", hashes in one piece up to fields of "
                + redis.configGet(Memory.COMPACT).get(Memory.COMPACT) + " bytes";
    }

    static String field(String info, String name) {
        return info.lines()
                .filter(line -> line.startsWith(name + ":"))
                .map(line -> line.substring(name.length() + 1))
                .findFirst()
                .orElse("?");
    }

    Path dir() {
        return dir;
    }

    int partitions() {
        return partitions;
    }

    KafkaBroker broker() {
        return broker;
    }

    RedisServer redis() {
        return redis;
    }

    RedisCommands<String, String> redisCommands() {
        return redisCommands;
    }

    Admin admin() {
        return admin;
    }

    /** Makes and fills the topic {@value #PREFIXES}. */
    void publishPrefixes() {
        publishPolicies(
                PREFIXES,
                PREFIX_COUNT,
                n -> Workload.agentName((int) n) + "*",
                "{\"capacity\":1000,\"refill_rate\":10}");
    }

    /** Makes and fills the topic {@value #SHORT_HOLDS}. */
    void publishShortHolds() {
        publishPolicies(
                SHORT_HOLDS,
                1,
                n -> "*",
                "{\"capacity\":1000,\"refill_rate\":10,\"holds\":{\"within_s\":1,\"unsettled\":\"returned\"}}");
    }

    private void publishPolicies(String topic, int count, LongFunction<String> keys, String policy) {
        createTopics(List.of(topic(topic, 1, "cleanup.policy", "compact")));
        publish(
                count,
                n -> new ProducerRecord<>(
                        topic,
                        keys.apply(n).getBytes(StandardCharsets.UTF_8),
                        policy.getBytes(StandardCharsets.UTF_8)));
    }

    /** Publishes so many records, each made from its number. */
    void publish(long count, LongFunction<ProducerRecord<byte[], byte[]>> records) {
        var failure = new AtomicReference<Exception>();
        try (var producer = producer(50)) {
            for (long n = 0; n < count && failure.get() == null; n++) {
                producer.send(records.apply(n), (metadata, exception) -> {
                    if (exception != null) failure.compareAndSet(null, exception);
                });
            }
        }
        if (failure.get() != null) throw new IllegalStateException("cannot publish", failure.get());
    }

    /** Publishes the workload's requests once; returns their topic. */
    String preload(Workload workload, long records) {
        var topic = "requests-" + workload.text();
        if (preloaded.putIfAbsent(workload, records) != null) return topic;
        createTopics(List.of(plain(topic, partitions)));
        var random = new SplittableRandom(workload.ordinal());
        publish(records, n -> {
            int agent = workload.agent(random);
            var key = Workload.agentName(agent).getBytes(StandardCharsets.UTF_8);
            return new ProducerRecord<>(topic, key, workload.requestOf(n, agent));
        });
        return topic;
    }

    /** Creates an empty topic for requests; returns its name. */
    String emptyRequests() {
        var topic = "requests-empty-" + ++turns;
        createTopics(List.of(plain(topic, partitions)));
        return topic;
    }

    /** Lets a contestant decide the whole workload, and keeps its verdicts for one that is given them. */
    void keepVerdicts(Workload workload, Running running) {
        if (!givesVerdicts) return;
        running.awaitCommitted(DECIDE_ALL);
        GivenVerdicts.of(this, running.approvedTopic()).write(verdicts(workload));
    }

    /**
     * Returns the verdicts that were kept.
     *
     * @throws IllegalStateException if there are none
     */
    Path verdictsOf(Workload workload) {
        if (!Files.exists(verdicts(workload)))
            throw new IllegalStateException("there are no verdicts of " + workload.text());
        return verdicts(workload);
    }

    private Path verdicts(Workload workload) {
        return dir.resolve("verdicts-" + workload.text());
    }

    /** Returns how many requests {@link #preload} published. */
    long preloaded(Workload workload) {
        return preloaded.getOrDefault(workload, 0L);
    }

    KafkaProducer<byte[], byte[]> producer(int lingerMillis) {
        return new KafkaProducer<>(
                Map.of(
                        "bootstrap.servers",
                        broker.bootstrapServers(),
                        "linger.ms",
                        lingerMillis,
                        "batch.size",
                        64 * 1024,
                        "buffer.memory",
                        64L * 1024 * 1024,
                        "delivery.timeout.ms",
                        300_000,
                        // With idempotence, and one partition much fuller than the others, brokers have refused a batch
                        // for ever (OutOfOrderSequenceException). A request published twice does no harm here.
                        "enable.idempotence",
                        false),
                new ByteArraySerializer(),
                new ByteArraySerializer());
    }

    /** Returns a consumer of these partitions, at their beginning. */
    KafkaConsumer<byte[], byte[]> consumer(String isolation, String topic, List<Integer> ofPartitions) {
        Map<String, Object> config = Map.of(
                "bootstrap.servers",
                broker.bootstrapServers(),
                "isolation.level",
                isolation,
                "max.poll.records",
                5_000);
        var assigned = ofPartitions.stream()
                .map(partition -> new TopicPartition(topic, partition))
                .toList();
        var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.assign(assigned);
        consumer.seekToBeginning(assigned);
        return consumer;
    }

    static NewTopic plain(String name, int partitions) {
        return topic(name, partitions, "cleanup.policy", "delete");
    }

    private static NewTopic topic(String name, int partitions, String setting, String value) {
        return new NewTopic(name, Optional.of(partitions), Optional.of((short) 1))
                .configs(Map.of(
                        setting,
                        value,
                        "max.message.bytes",
                        name.startsWith("requests") ? "1048588" : "2097152",
                        "message.timestamp.after.max.ms",
                        Long.toString(Long.MAX_VALUE)));
    }

    void createTopics(List<NewTopic> topics) {
        await("create topics", admin.createTopics(topics).all());
    }

    /** Returns the sum of the end offsets of these topics' partitions. */
    long end(List<String> topics) {
        var all = new HashMap<TopicPartition, OffsetSpec>();
        for (var topic : topics) {
            for (int partition = 0; partition < partitions; partition++) {
                all.put(new TopicPartition(topic, partition), OffsetSpec.latest());
            }
        }
        return await("read offsets", admin.listOffsets(all).all()).values().stream()
                .mapToLong(end -> end.offset())
                .sum();
    }

    /** @throws IllegalStateException if Kafka cannot do this */
    static <T extends @Nullable Object> T await(String what, KafkaFuture<T> answer) {
        try {
            return answer.get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("cannot " + what, e);
        }
    }

    /** Whether contestants record a JFR profile. */
    private boolean profile;

    void profile() {
        profile = true;
    }

    /** Whether the verdicts of Tollgate with Redis are kept. */
    private boolean givesVerdicts;

    void giveVerdicts() {
        givesVerdicts = true;
    }

    List<String> jvm(Contestant contestant, Map<String, String> environment) {
        var arguments = new ArrayList<>(JVM);
        var given = environment.getOrDefault(JVM_OPTIONS, "");
        if (!given.contains("GC")) arguments.add(COLLECTOR);
        if (Runtime.version().feature() >= 25 && !given.contains("CompactObjectHeaders")) arguments.add(SMALL_OBJECTS);
        if (profile) arguments.add("-XX:StartFlightRecording=settings=profile,maxsize=200m");
        if (!contestant.isTollgate()) {
            // The sandbox appends -jar and Tollgate's jar to our arguments; our main class then gets them.
            arguments.addAll(List.of(
                    "-Dlogback.configurationFile=benchmarks-logback.xml",
                    "-cp",
                    absoluteClassPath(),
                    PeerApp.class.getName(),
                    contestant.text()));
        }
        return arguments;
    }

    private static String absoluteClassPath() {
        var parts = System.getProperty("java.class.path").split(System.getProperty("path.separator"));
        var absolute = new ArrayList<String>();
        for (String part : parts) absolute.add(Path.of(part).toAbsolutePath().toString());
        return String.join(System.getProperty("path.separator"), absolute);
    }

    /** Starts a contestant on an empty Redis, with fresh topics; returns when its tasks run. */
    Running start(Contestant contestant, String requestsTopic, Map<String, String> environment) {
        return start(contestant, requestsTopic, environment, 1);
    }

    /** As above, but so many instances side by side; only the first is ended and started again. */
    Running start(Contestant contestant, String requestsTopic, Map<String, String> environment, int instances) {
        redisCommands.flushall();
        return new Running(this, contestant, contestant.text() + "-" + ++turns, requestsTopic, environment, instances);
    }

    @Override
    public void close() {
        redisClient.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        admin.close(Duration.ofSeconds(1));
        redis.close();
        broker.close();
        ServerHome.deleteTree(dir);
    }
}
