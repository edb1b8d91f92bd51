package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisClient;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;

/**
 * Random records, from a seed that is printed. {@code -Dfuzz.seed=S} runs them again, {@code -Pfuzz} a million, and
 * {@code -Dfuzz.records=N} any number.
 */
class FuzzIT {
    private static final int RECORDS = Integer.getInteger("tollgate.fuzz.records", 10_000);
    private static final long SEED =
            Long.getLong("tollgate.fuzz.seed", -1) >= 0 ? Long.getLong("tollgate.fuzz.seed") : System.nanoTime();

    /** Heap of 256 MB, RocksDB's 64 MB, native code and stacks; a run that loses memory grows far beyond. */
    private static final long MOST_RESIDENT_KB = 900_000;

    /** The pipeline may fall behind by so much; otherwise the test would fill the broker's disk. */
    private static final int MOST_PENDING = 20_000;

    private static final int AGENTS = 20;

    @Test
    void randomRecordsAreDecidedOnce() throws Exception {
        System.out.println(
                "fuzz: seed " + SEED + ", " + RECORDS + " records; -Dfuzz.seed=" + SEED + " runs them again");
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(100, 5).with("REDIS_URL", redis.uri());
                var application = cluster.start();
                var tally = new Tally(cluster)) {
            var fuzzer = new RequestFuzzer(SEED, cluster.requestsTopic(), TestCluster.PARTITIONS);
            tally.publish(Stream.of(new ProducerRecord<>(cluster.requestsTopic(), Requests.value("first", 1, 1))));
            long before = calls(redis);
            tally.publish(Stream.generate(fuzzer::nextInvalid).limit(RECORDS / 10));
            assertThat(calls(redis)).as("calls for invalid records").isEqualTo(before);

            tally.publish(Stream.generate(fuzzer::next).limit(RECORDS / 2));
            long half = residentKb(application);
            tally.publish(Stream.generate(fuzzer::next).limit(RECORDS - RECORDS / 2 - RECORDS / 10));
            // Each from another agent: buckets that are full again must leave memory.
            tally.publish(IntStream.range(0, RECORDS)
                    .mapToObj(i -> new ProducerRecord<>(
                            cluster.requestsTopic(),
                            ("m-" + i).getBytes(StandardCharsets.UTF_8),
                            Requests.value("m-" + i, 1, i))));
            long end = residentKb(application);
            System.out.println("fuzz: " + tally.figures() + ", resident " + half / 1024 + " MB half-way, " + end / 1024
                    + " MB at the end");

            assertThat(end).as("resident memory in KB, " + half + " half-way").isLessThan(MOST_RESIDENT_KB);
            assertThat(application.isReady()).isTrue(); // a lost thread would have ended the process
            assertThat(application.output()).doesNotContain("\tat ");
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    /**
     * Some agents get policies known to be valid or not: the last valid one must count. Others get anything, which must
     * do no harm.
     */
    @Test
    void badPolicyNeverReplacesAGoodOne() throws Exception {
        int policies = Math.min(RECORDS / 5, 20_000); // all their decisions are kept in memory
        System.out.println("fuzz: seed " + SEED + ", " + policies + " policies");
        var random = new Random(SEED);
        var fuzzer = new PolicyFuzzer(SEED);
        try (var cluster = TestCluster.onSharedBroker().withLimit(100, 5);
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster);
                var producer = cluster.producer(Map.of("linger.ms", 5))) {
            var inForce = new ConcurrentHashMap<String, String>();
            var more = new AtomicBoolean(true);
            var traffic = requests.keepSending(AGENTS, 1, 100, more::get);
            var topic = cluster.settings().topics().policies();
            long bad = 0;
            for (int i = 0; i < policies; i++) {
                var agent = "agent-" + random.nextInt(AGENTS);
                var key = agent.getBytes(StandardCharsets.UTF_8);
                switch (random.nextInt(5)) {
                    case 0 ->
                        producer.send(new ProducerRecord<>(topic, key, fuzzer.good()), (at, failure) -> {
                            if (failure == null) inForce.put(agent, agent + "@" + at.partition() + "/" + at.offset());
                        });
                    case 1, 2 -> {
                        bad++;
                        producer.send(new ProducerRecord<>(topic, key, fuzzer.bad()));
                    }
                    case 3 -> {
                        bad++;
                        producer.send(new ProducerRecord<>(topic, fuzzer.badKey(), fuzzer.good()));
                    }
                    default ->
                        producer.send(new ProducerRecord<>(
                                topic, (agent + "-any").getBytes(StandardCharsets.UTF_8), fuzzer.any()));
                }
            }
            producer.flush();
            more.set(false);
            traffic.get();
            long refused = bad;
            await().atMost(Duration.ofSeconds(60))
                    .untilAsserted(() -> assertThat(TestCluster.metric(application, "tollgate_policies_refused_total"))
                            .isGreaterThanOrEqualTo(refused));
            var marker = producer.send(
                            new ProducerRecord<>(topic, "last".getBytes(StandardCharsets.UTF_8), fuzzer.good()))
                    .get();
            await().atMost(Duration.ofSeconds(60)).until(() -> {
                requests.send("last", 0, 1);
                return decisions.poll().stream()
                        .anyMatch(seen -> seen.header("quota-policy").equals("last@0/" + marker.offset()));
            });
            int before = requests.published().size();
            for (int agent = 0; agent < AGENTS; agent++) {
                requests.send("agent-" + agent, 0, 2);
                requests.send("agent-" + agent + "-any", 0, 3);
            }
            decisions.await(before + 2 * AGENTS, application);
            decisions.conserve(requests.published());

            decisions.byAgent().forEach((agent, seen) -> {
                if (agent.endsWith("-any") || agent.equals("last")) return;
                assertThat(seen.get(seen.size() - 1).header("quota-policy")).isEqualTo(inForce.get(agent));
            });
            System.out.println("fuzz: " + bad + " bad policies refused, "
                    + requests.published().size() + " decided");
            assertThat(application.isReady()).isTrue();
            assertThat(application.output()).doesNotContain("\tat ");
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    /** Published and decided requests, by partition and offset. One thread reads, one publishes. */
    private static final class Tally implements AutoCloseable {
        private final TestCluster cluster;
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final List<BitSet> decided = IntStream.range(0, TestCluster.PARTITIONS)
                .mapToObj(p -> new BitSet())
                .toList();
        private final long startNanos = System.nanoTime();
        private long published;
        private long seen;
        private long approved;

        Tally(TestCluster cluster) {
            this.cluster = cluster;
            consumer = new KafkaConsumer<>(
                    Map.of(
                            "bootstrap.servers", TestCluster.sharedBroker(),
                            "isolation.level", "read_committed",
                            "auto.offset.reset", "earliest"),
                    new ByteArrayDeserializer(),
                    new ByteArrayDeserializer());
            var topics = cluster.settings().topics();
            consumer.assign(Stream.of(topics.approved(), topics.rejected())
                    .flatMap(topic ->
                            IntStream.range(0, TestCluster.PARTITIONS).mapToObj(p -> new TopicPartition(topic, p)))
                    .toList());
        }

        /** Publishes all, and returns when all are decided. */
        void publish(Stream<ProducerRecord<byte[], byte[]>> records) {
            var failure = new AtomicReference<Exception>();
            var acknowledged = new AtomicLong();
            try (var producer = cluster.producer(Map.of("linger.ms", 5, "batch.size", 65_536))) {
                var iterator = records.iterator();
                while (iterator.hasNext()) {
                    producer.send(iterator.next(), (metadata, thrown) -> {
                        if (thrown != null) failure.compareAndSet(null, thrown);
                        acknowledged.incrementAndGet();
                    });
                    if (++published % 500 == 0) read(MOST_PENDING);
                }
            }
            assertThat(failure.get()).isNull();
            read(0);
        }

        private void read(long pending) {
            long deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
            do {
                for (var record : consumer.poll(Duration.ofMillis(published - seen > pending ? 200 : 0))) {
                    if (record.topic().endsWith("approved")) approved++;
                    var source = new String(
                                    record.headers().lastHeader("quota-source").value(), StandardCharsets.UTF_8)
                            .split("/");
                    var bits = decided.get(Integer.parseInt(source[1]));
                    int offset = Integer.parseInt(source[2]);
                    assertThat(bits.get(offset))
                            .as("decided before: " + String.join("/", source))
                            .isFalse();
                    bits.set(offset);
                    seen++;
                    deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
                }
            } while (published - seen > pending && System.nanoTime() < deadline);
            assertThat(published - seen).as("undecided").isLessThanOrEqualTo(pending);
        }

        String figures() {
            double seconds = (System.nanoTime() - startNanos) / 1e9;
            return String.format(
                    "%d published, %d decided once each, %d of them approved, %.0f s (%.0f/s)",
                    published, seen, approved, seconds, seen / seconds);
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private static long residentKb(ApplicationProcess application) throws Exception {
        var status = Path.of("/proc", Long.toString(application.pid()), "status");
        if (!Files.exists(status)) return 0; // not Linux
        return Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst()
                .orElseThrow();
    }

    private static long calls(RedisServer redis) {
        var client = RedisClient.create(redis.uri());
        try (var connection = client.connect()) {
            var matcher = Pattern.compile("cmdstat_evalsha:calls=(\\d+)")
                    .matcher(connection.sync().info("commandstats"));
            assertThat(matcher.find()).isTrue();
            return Long.parseLong(matcher.group(1));
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }
}
