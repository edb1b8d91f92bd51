package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The broker restarts, freezes, or is away for longer than any client's patience. {@link StartUpIT} starts before
 * the broker.
 */
@Tag("faults")
class BrokerFaultIT {
    private static final Duration LONGER_THAN_PATIENCE = Duration.ofSeconds(70);

    @Test
    void goesOnAfterABrokerRestart() {
        away("13 broker restart", KafkaBroker::kill, Duration.ZERO, KafkaBroker::restart);
    }

    @Test
    void goesOnAfter70SecondsWithoutABroker() {
        away("13 broker away for 70 s", KafkaBroker::kill, LONGER_THAN_PATIENCE, KafkaBroker::restart);
    }

    @Test
    void goesOnAfter70FrozenSeconds() {
        away("13 broker frozen for 70 s", KafkaBroker::freeze, LONGER_THAN_PATIENCE, KafkaBroker::thaw);
    }

    /**
     * Kafka 4.3.1 serves a group before it has read its offsets, if reading takes longer than the time between two
     * elections. Here another group's offsets come first.
     */
    @Test
    void slowOffsetsAreNotDecidedTwice() {
        var options = KafkaBroker.BrokerOptions.defaults()
                .withProperty("offsets.topic.num.partitions", "1")
                .withProperty("offsets.topic.segment.bytes", "1073741824") // never compacted
                .withProperty("offsets.load.buffer.size", "67108864"); // it checks for the leader only after this much
        try (var broker = KafkaBroker.start(options);
                var redis = RedisServer.start();
                var cluster = TestCluster.on(broker.bootstrapServers())
                        .with("REDIS_URL", redis.uri())
                        // The time for which the broker waits for former members of the group.
                        .with("KAFKA_MAIN_CONSUMER_MAX_POLL_INTERVAL_MS", "30000")) {
            cluster.createTopics();
            fillOffsets(cluster);
            try (var scenario = FaultScenario.start("13 broker that serves a part of its offsets", cluster)) {
                boolean landed = false;
                for (int restart = 0; restart < 5 && !landed; restart++) {
                    scenario.flow(2000);
                    broker.kill();
                    broker.restart();
                    scenario.measured("resumes", scenario.resumes(Arrivals.nowMicros()));
                    scenario.flow(500);
                    landed = scenario.metric("tollgate_decided_before_total") > 0;
                }
                scenario.assertClean();
                assumeTrue(landed, "this broker has read its offsets in time");
            }
        }
    }

    /** Commits some tens of thousands of offsets for other groups, each in a transaction of its own, as Streams does. */
    private static void fillOffsets(TestCluster cluster) {
        int groups = 16;
        var pool = Executors.newFixedThreadPool(groups);
        var all = IntStream.range(0, groups)
                .mapToObj(group -> CompletableFuture.runAsync(() -> commitOften(cluster, "other-" + group), pool))
                .toArray(CompletableFuture[]::new);
        pool.shutdown();
        CompletableFuture.allOf(all).join();
    }

    private static void commitOften(TestCluster cluster, String group) {
        var partition = new TopicPartition(cluster.requestsTopic(), 0);
        var bootstrap = cluster.settings().kafka().bootstrapServers();
        try (var producer = cluster.producer(Map.of("transactional.id", group));
                var consumer = new KafkaConsumer<>(
                        Map.of("bootstrap.servers", bootstrap, "group.id", group),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            producer.initTransactions();
            for (int offset = 0; offset < 3000; offset++) {
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(
                        Map.of(partition, new OffsetAndMetadata(offset)), consumer.groupMetadata());
                producer.commitTransaction();
            }
        }
    }

    private static void away(String name, Consumer<KafkaBroker> fault, Duration length, Consumer<KafkaBroker> cure) {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = TestCluster.on(broker.bootstrapServers()).with("REDIS_URL", redis.uri())) {
            cluster.createTopics();
            try (var scenario = FaultScenario.start(name, cluster)) {
                long begin = System.nanoTime();
                fault.accept(broker);
                await("the broker is away")
                        .atMost(length.plusSeconds(10))
                        .until(() -> System.nanoTime() - begin >= length.toNanos());
                cure.accept(broker);
                long healed = Arrivals.nowMicros();
                scenario.measured("resumes", scenario.resumes(healed));
                scenario.flow(2000);
                scenario.application().awaitReady(Duration.ofSeconds(60));
                assertThat(scenario.application().output()).doesNotContain("the pipeline has failed");
                scenario.assertClean();
            }
        }
    }
}
