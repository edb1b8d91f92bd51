package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.cli.TopicAdmin;
import io.tollgate.sandbox.process.KafkaBroker;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Test;

/** An older installation, which has the requests topic. */
class TopicsCreateIT {
    @Test
    void reportsGetTheRequestsPartitions() throws Exception {
        try (var broker = KafkaBroker.start(KafkaBroker.BrokerOptions.defaults());
                var cluster = TestCluster.on(broker.bootstrapServers());
                var admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()));
                var topics = new TopicAdmin(cluster.settings())) {
            admin.createTopics(List.of(new NewTopic(cluster.requestsTopic(), 3, (short) 1)))
                    .all()
                    .get();

            var created = topics.create(8, (short) -1);

            assertThat(created)
                    .contains(
                            new TopicAdmin.Created(cluster.requestsTopic(), false),
                            new TopicAdmin.Created("agent-usage", true),
                            new TopicAdmin.Created("settled-requests", true));
            var found = admin.describeTopics(List.of("agent-usage", "settled-requests"))
                    .allTopicNames()
                    .get();
            assertThat(found.get("agent-usage").partitions()).hasSize(3);
            assertThat(found.get("settled-requests").partitions()).hasSize(8);
        }
    }
}
