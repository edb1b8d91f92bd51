package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/** A topic that is deleted and created again: its offsets begin anew. One agent's requests, without keys, so that most are strays. */
final class TopicMadeAnewScenario implements AutoCloseable {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int CAPACITY = 1000;
    private static final int BEFORE = 100;
    /** More than before on each partition, so that a consumer at its old position finds records there. */
    private static final int AFTER = 120;

    final TestCluster cluster;
    private final Decisions decisions;
    private final Admin admin;
    private int published;

    TopicMadeAnewScenario(String guarantee) {
        cluster = TestCluster.onSharedBroker().withLimit(CAPACITY, 0).with("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
        decisions = new Decisions(cluster);
        admin = Admin.create(
                Map.of("bootstrap.servers", cluster.settings().kafka().bootstrapServers()));
    }

    void decideBefore(ApplicationProcess application) {
        publish(BEFORE);
        decisions.await(published, application);
    }

    void publishAfter() {
        publish(AFTER);
    }

    private void publish(int count) {
        try (var requests = new Requests(cluster)) {
            for (int i = 0; i < count; i++) requests.sendWithoutKey("agent", 1, published + i);
            await("published").atMost(SOON).until(() -> requests.published().size() == count);
        }
        published += count;
    }

    void delete(String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        await("deleted")
                .atMost(SOON)
                .until(() -> !admin.listTopics().names().get().contains(topic));
    }

    void create(String topic) {
        var anew = new NewTopic(topic, Optional.of(TestCluster.PARTITIONS), Optional.empty());
        await("created").atMost(SOON).until(() -> {
            try {
                admin.createTopics(List.of(anew)).all().get();
                return true;
            } catch (ExecutionException stillBeingDeleted) {
                return false;
            }
        });
    }

    boolean exists(String topic) throws Exception {
        return admin.listTopics().names().get().contains(topic);
    }

    /**
     * Each request has one decision and was charged once. Counted by record, because names of old requests repeat in
     * the new topic.
     */
    void eachIsDecidedOnce(ApplicationProcess application) {
        decisions.await(published, application);
        await("none is decided twice")
                .during(Duration.ofSeconds(3))
                .atMost(Duration.ofSeconds(10))
                .until(() -> decisions.poll().size() == published);
        assertThat(decisions.poll())
                .allSatisfy(each -> assertThat(each.approved()).isTrue());
        assertThat(decisions.poll().stream()
                        .mapToDouble(Decisions.Seen::remaining)
                        .min())
                .as("tokens left")
                .hasValue(CAPACITY - published);
        await("ready").atMost(SOON).until(application::isReady);
        assertThat(application.output()).doesNotContain("\tat ");
    }

    @Override
    public void close() {
        admin.close();
        decisions.close();
        cluster.close();
    }
}
