package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The requests topic gets more partitions while the pipeline runs. */
class PartitionsChangedIT {
    private static final Duration SOON = Duration.ofSeconds(90);
    private static final int MORE = TestCluster.PARTITIONS + 2;
    private static final double CAPACITY = 20;

    @Tag("faults")
    @Test
    void morePartitionsEndThePipeline() throws Exception {
        try (var old = TestCluster.onSharedBroker().withLimit(CAPACITY, 0).withSharedRedis();
                var fresh = TestCluster.onSharedBroker().withLimit(CAPACITY, 0).with("REDIS_URL", old.redisUrl())) {
            endsWhenPartitionsAreAdded(old);
            refusesToStart(old);

            assertThat(approved(fresh, 15)).isEqualTo(5);
        }
    }

    /** Returns how many of so many requests of one agent, one token each, a pipeline on these topics approves. */
    private static long approved(TestCluster cluster, int requests) {
        try (var publisher = new Requests(cluster);
                var decisions = new Decisions(cluster);
                var application = cluster.start()) {
            return approved(publisher, decisions, application, requests);
        }
    }

    private static long approved(
            Requests publisher, Decisions decisions, ApplicationProcess application, int requests) {
        for (int n = 0; n < requests; n++) publisher.send("agent", 1, n);
        decisions.await(requests, application);
        decisions.conserve(publisher.published());
        return decisions.poll().stream().filter(Decisions.Seen::approved).count();
    }

    private static void endsWhenPartitionsAreAdded(TestCluster cluster) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", TestCluster.sharedBroker()));
                var publisher = new Requests(cluster);
                var decisions = new Decisions(cluster);
                var application = cluster.start()) {
            assertThat(approved(publisher, decisions, application, 15)).isEqualTo(15);

            admin.createPartitions(Map.of(cluster.requestsTopic(), NewPartitions.increaseTo(MORE)))
                    .all()
                    .get();

            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
            assertThat(application.output())
                    // Kafka Streams may notice before we do.
                    .containsPattern("the pipeline has failed and ends: .*(has " + MORE + " partitions now, but "
                            + TestCluster.PARTITIONS + "|expected: " + MORE + "; actual: " + TestCluster.PARTITIONS
                            + ").*move to new topics");
        }
    }

    private static void refusesToStart(TestCluster cluster) {
        try (var application = cluster.launch("run")) {
            assertThat(application.awaitExit(SOON)).as(application.output()).hasValue(1);
            assertThat(application.output())
                    .contains("topic " + cluster.requestsTopic() + " has " + MORE + " partitions, but ")
                    .contains(" has " + TestCluster.PARTITIONS)
                    .doesNotContain("\tat ");
        }
    }
}
