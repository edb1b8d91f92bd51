package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Kafka's committed offsets go back while no instance runs; no request is decided again. */
@Execution(ExecutionMode.CONCURRENT)
class CommittedOffsetsIT {
    private static final double CAPACITY = 100;
    private static final int AGENTS = 20;
    private static final int REQUESTS = 1500;

    enum Loss {
        /** As brokers do after {@code offsets.retention.minutes}, or if they lose the topic. */
        FORGOTTEN,
        /** As a group coordinator does before it has read all of its topic, or an operator with a tool. */
        SET_BACK
    }

    @Test
    void rewoundOffsetsChargeOnce() throws Exception {
        assertDecidedOnce(Loss.SET_BACK, Map.of(), false);
    }

    @Tag("faults")
    @Test
    void withoutStateTheChangelogTells() throws Exception {
        assertDecidedOnce(Loss.FORGOTTEN, Map.of("KAFKA_GROUP_PROTOCOL", "streams"), true);
    }

    @Tag("faults")
    @Test
    void forgottenOffsetsChargeOnce() throws Exception {
        assertDecidedOnce(Loss.FORGOTTEN, Map.of(), false);
    }

    @Tag("faults")
    @Test
    void withoutStateClassicGroupsRecover() throws Exception {
        assertDecidedOnce(Loss.FORGOTTEN, Map.of(), true);
    }

    private static void assertDecidedOnce(Loss loss, Map<String, String> settings, boolean stateIsLost)
            throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .withLimit(CAPACITY, 0)
                        .withPatience()
                        .with("REDIS_URL", redis.uri());
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            settings.forEach(cluster::with);
            publish(requests, 0);
            int before = requests.published().size();
            try (var application = cluster.start()) {
                decisions.await(before, application);
                application.terminate();
                application.awaitExit(Duration.ofSeconds(30));
            }

            lose(cluster, loss);
            if (stateIsLost) cluster.deleteStateDir();
            redis.ask("FLUSHALL"); // its fences as well, which hold uncommitted decisions
            publish(requests, REQUESTS);
            int all = requests.published().size();
            try (var application = cluster.start()) {
                decisions.await(all, application);
                assertThat(TestCluster.metric(application, "tollgate_decided_before_total"))
                        .isGreaterThanOrEqualTo(before);
                assertThat(application.output()).contains("Kafka's committed offset has gone back");
            }

            decisions.conserve(requests.published());
            decisions.keepOrder();
            decisions.admitNoMoreThan(CAPACITY, 0);
            decisions.byAgent().forEach((agent, its) -> {
                double approved = its.stream()
                        .filter(Decisions.Seen::approved)
                        .mapToDouble(Decisions.Seen::costTokens)
                        .sum();
                assertThat(approved).as("no false refusal of " + agent).isEqualTo(CAPACITY);
                assertThat(TestCluster.tokensInRedis(redis.uri(), agent))
                        .as(agent)
                        .isCloseTo(0, within(1e-9));
            });
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    /** Two thirds of the agents' tokens each time; strays and invalid requests among them. */
    private static void publish(Requests requests, int from) {
        for (int i = from; i < from + REQUESTS; i++) {
            var agent = "agent-" + i % AGENTS;
            if (i % 7 == 3) requests.sendUnreadable(agent.getBytes(), "{".getBytes());
            else if (i % 5 == 2) requests.sendByCrc32(agent, 1, i);
            else requests.send(agent, 1, i);
        }
    }

    private static void lose(TestCluster cluster, Loss loss) throws ExecutionException, InterruptedException {
        var group = cluster.settings().streams().applicationId();
        try (var admin = Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()))) {
            var partitions = IntStream.range(0, TestCluster.PARTITIONS)
                    .mapToObj(partition -> new TopicPartition(cluster.requestsTopic(), partition))
                    .collect(Collectors.toSet());
            if (loss == Loss.SET_BACK) {
                admin.alterConsumerGroupOffsets(group, back(partitions)).all().get();
            } else if (cluster.environment()
                    .getOrDefault("KAFKA_GROUP_PROTOCOL", "classic")
                    .equals("streams")) {
                admin.deleteStreamsGroups(List.of(group)).all().get();
            } else {
                admin.deleteConsumerGroups(List.of(group)).all().get();
            }
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> back(Set<TopicPartition> partitions) {
        return partitions.stream().collect(Collectors.toMap(partition -> partition, p -> new OffsetAndMetadata(0)));
    }
}
