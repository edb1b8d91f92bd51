package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.config.Settings;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.pipeline.StreamsProperties;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskTime;
import java.time.Duration;
import java.util.Optional;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** The producer has its own partitioner, which no setting allows. Even so, no agent moves. */
@Execution(ExecutionMode.CONCURRENT)
class PartitionerIT {
    private static final int REQUESTS = 200;

    @Test
    void straysComeHomeInOrder() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(10, 0);
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster);
                var streams = streams(cluster)) {
            for (int i = 0; i < REQUESTS; i++) requests.sendWithoutKey("agent-1", 1, i);
            streams.start();
            await().atMost(Duration.ofSeconds(60)).until(() -> decisions.poll().size() >= REQUESTS);

            assertThat(decisions.poll()).hasSize(REQUESTS);
            assertThat(decisions.poll().stream().filter(Decisions.Seen::approved))
                    .hasSize(10);
            int home = BuiltInPartitioner.partitionForKey("agent-1".getBytes(UTF_8), TestCluster.PARTITIONS);
            assertThat(decisions.poll()).allMatch(seen -> seen.record().partition() == home);
            decisions.keepOrder();
            requests.published();
        }
    }

    private static KafkaStreams streams(TestCluster cluster) throws Exception {
        var settings = Settings.from(cluster.environment(), Settings.Use.PIPELINE);
        var tasks = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                TestCluster.PARTITIONS,
                () -> 1_000_000,
                settings.streams().exactlyOnce(),
                Optional.empty(),
                new BucketClock(),
                new Policies(Policy.byDefault(settings.defaultLimit()), () -> {}),
                (topic, partition) -> topic.hashCode() * 31L + partition + 1,
                new CommittedOffsets(),
                new PipelineMetrics(new SimpleMeterRegistry()),
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        var properties = StreamsProperties.of(settings);
        properties.put(
                StreamsConfig.producerPrefix(ProducerConfig.PARTITIONER_CLASS_CONFIG),
                RoundRobinPartitioner.class.getName());
        var topology =
                new RequestTopology(settings.topics(), settings.streams().applicationId(), tasks).build(properties);
        return new KafkaStreams(topology, properties);
    }
}
