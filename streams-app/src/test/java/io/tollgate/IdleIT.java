package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A pipeline that has decided requests on every partition, and gets no more. */
@Order(1) // long
class IdleIT {
    private static final Duration SETTLED = Duration.ofSeconds(10);
    private static final Duration LOOK = Duration.ofSeconds(20);
    private static final int REQUESTS = 80;
    /** Keys with at most this version are of offsets; others are of groups. */
    private static final int OFFSET_KEY_VERSION = 1;

    @Test
    void idlePipelineHardlyCommits() {
        idlePipelineHardlyCommits("exactly_once_v2");
    }

    @Tag("faults")
    @Test
    void idlePipelineHardlyCommits_atLeastOnce() {
        idlePipelineHardlyCommits("at_least_once");
    }

    private static void idlePipelineHardlyCommits(String guarantee) {
        try (var broker = KafkaBroker.start();
                var redis = RedisServer.start();
                var cluster = TestCluster.on(broker.bootstrapServers())
                        .withLimit(100, 1)
                        .with("REDIS_URL", redis.uri())
                        .with("TOLLGATE_PROCESSING_GUARANTEE", guarantee)) {
            cluster.createTopics();
            createTopicOfTransactions(cluster);
            try (var application = cluster.start();
                    var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster);
                    var offsets = new Internal(cluster, "__consumer_offsets");
                    var transactions = new Internal(cluster, "__transaction_state")) {
                for (int i = 0; i < REQUESTS; i++) {
                    if (i % 2 == 0) requests.send("agent-" + i, 1, i);
                    else requests.sendWithoutKey("agent-" + i, 1, i);
                }
                decisions.await(REQUESTS, application);
                LockSupport.parkNanos(SETTLED.toNanos());
                offsets.toEnd();
                transactions.toEnd();

                LockSupport.parkNanos(LOOK.toNanos());

                double seconds = LOOK.toSeconds();
                double committed = offsets.count(cluster.settings().streams().applicationId()) / seconds;
                double states = transactions.count("") / seconds;
                System.out.printf(
                        "idle, %s: %.1f offset records/s, %.1f transaction states/s%n", guarantee, committed, states);
                assertThat(committed).as("offset records a second").isLessThanOrEqualTo(2);
                assertThat(states).as("states of transactions a second").isLessThanOrEqualTo(6);
            }
        }
    }

    /** Brokers create it with the first transaction, and under at-least-once there is none. */
    private static void createTopicOfTransactions(TestCluster cluster) {
        try (var producer = cluster.producer(Map.of("transactional.id", "first"))) {
            producer.initTransactions();
        }
    }

    /** One of the brokers' own topics. */
    private static final class Internal implements AutoCloseable {
        private final KafkaConsumer<byte[], byte[]> consumer;

        Internal(TestCluster cluster, String topic) {
            consumer = new KafkaConsumer<>(
                    Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()),
                    new ByteArrayDeserializer(),
                    new ByteArrayDeserializer());
            await("the topic")
                    .atMost(Duration.ofSeconds(30))
                    .until(() -> !consumer.partitionsFor(topic).isEmpty());
            consumer.assign(consumer.partitionsFor(topic).stream()
                    .map(each -> new TopicPartition(topic, each.partition()))
                    .toList());
        }

        void toEnd() {
            consumer.seekToEnd(consumer.assignment());
            consumer.assignment().forEach(consumer::position);
        }

        /** Returns the number of records since then; for the offsets topic, the number of offsets of this group. */
        long count(String group) {
            long[] found = {0};
            var ends = consumer.endOffsets(consumer.assignment());
            await("the end").atMost(Duration.ofSeconds(30)).until(() -> {
                for (var record : consumer.poll(Duration.ofMillis(50))) {
                    if (group.isEmpty() || isOffset(record.key(), group)) found[0]++;
                }
                return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
            });
            return found[0];
        }

        private static boolean isOffset(byte[] key, String group) {
            return ByteBuffer.wrap(key).getShort() <= OFFSET_KEY_VERSION && new String(key, UTF_8).contains(group);
        }

        @Override
        public void close() {
            consumer.close();
        }
    }
}
