package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.ApplicationProcess;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Policies that change while their agents ask for nothing: each stretch of time is credited by the rate that counted in it. */
class PolicyChangesIT {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration SOON = Duration.ofSeconds(30);
    /** Between changes; long enough that crediting it by a wrong rate shows. */
    private static final Duration IDLE = Duration.ofMillis(700);
    /** Records have whole milliseconds. */
    private static final double MOMENT_TOKENS = 0.3;

    @Test
    void earlierTimeKeepsItsRate() throws Exception {
        earlierTimeKeepsItsRate(true);
    }

    @Tag("faults")
    @Test
    void earlierTimeKeepsItsRate_withoutRedis() throws Exception {
        earlierTimeKeepsItsRate(false);
    }

    private static void earlierTimeKeepsItsRate(boolean withRedis) throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withLimit(1000, 0)) {
            if (withRedis) cluster.withSharedRedis();
            var changes = new Changes(cluster);
            changes.set("raised", 1000, 0);
            changes.set("lowered", 1000, 100);
            changes.set("came-and-went", 1000, 0);
            changes.set("group/*", 1000, 100);
            changes.set("own/*", 1000, 100);
            changes.set("cut", 1000, 0);
            changes.set("down", 1000, 100);
            try (var application = cluster.start()) {
                for (var agent : new String[] {"raised", "lowered", "came-and-went", "group/1", "own/1", "down"}) {
                    assertThat(changes.remaining(agent, 1000)).isZero();
                }
                assertThat(changes.remaining("cut", 100)).isEqualTo(900);

                changes.idle();
                changes.set("raised", 1000, 2000);
                long lowered = changes.set("lowered", 1000, 0);
                long came = changes.set("came-and-went", 1000, 50);
                long ungrouped = changes.delete("group/*");
                long owned = changes.set("own/1", 1000, 0);
                changes.set("cut", 300, 0);
                changes.idle();
                long went = changes.set("came-and-went", 1000, 0);
                changes.set("cut", 1000, 0);
                changes.idle();

                changes.assertHas(application, "raised", 1000);
                changes.assertHas(application, "lowered", 100 * changes.secondsSince("lowered", lowered));
                changes.assertHas(application, "came-and-went", 50 * (went - came) / 1000.0);
                changes.assertHas(application, "group/1", 100 * changes.secondsSince("group/1", ungrouped));
                changes.assertHas(application, "own/1", 100 * changes.secondsSince("own/1", owned));
                changes.assertHas(application, "cut", 300);
                application.terminate();
                assertThat(application.awaitExit(SOON)).isPresent();
            }
            long down = changes.set("down", 1000, 0);
            changes.idle();
            try (var application = cluster.start()) {
                changes.assertHas(application, "down", Math.min(1000, 100 * changes.secondsSince("down", down)));
            }
        }
    }

    /** Published requests and their decisions. */
    private static final class Changes {
        private final TestCluster cluster;
        private final KafkaProducer<byte[], byte[]> producer;
        private final Requests requests;
        private final Decisions decisions;
        private final Map<String, Long> lastDecidedMicros = new HashMap<>();
        private int published;

        Changes(TestCluster cluster) {
            this.cluster = cluster;
            producer = cluster.producer(Map.of());
            requests = new Requests(cluster);
            decisions = new Decisions(cluster);
        }

        /** Returns the record's time, in milliseconds. */
        long set(String key, double capacity, double rate) throws Exception {
            return send(key, ("{\"capacity\":" + capacity + ",\"refill_rate\":" + rate + "}").getBytes(UTF_8));
        }

        long delete(String key) throws Exception {
            return send(key, null);
        }

        private long send(String key, byte[] value) throws Exception {
            var topic = cluster.settings().topics().policies();
            return producer.send(new ProducerRecord<>(topic, key.getBytes(UTF_8), value))
                    .get()
                    .timestamp();
        }

        /** Returns the tokens that a request left. */
        double remaining(String agent, double costTokens) {
            requests.send(agent, costTokens, published++);
            await("decided").atMost(SOON).until(() -> decisions.poll().size() == published);
            var decided = decisions.poll().get(published - 1);
            assertThat(decided.approved()).as(agent).isTrue();
            lastDecidedMicros.put(agent, decided.decidedAtMicros());
            return decided.remaining();
        }

        /** Returns the seconds from the agent's last decision until this moment. */
        double secondsSince(String agent, long millis) {
            return millis / 1e3 - lastDecidedMicros.get(agent) / 1e6;
        }

        void idle() {
            await().pollDelay(IDLE).until(() -> true);
        }

        /** The shown tokens are those of the next decision, and both are as expected. */
        void assertHas(ApplicationProcess application, String agent, double tokens) throws JsonProcessingException {
            double shown = shown(application, agent);
            assertThat(shown).as("shown of " + agent).isCloseTo(tokens, within(MOMENT_TOKENS));
            assertThat(remaining(agent, 0)).as("left to " + agent).isCloseTo(shown, within(1e-6));
        }

        private double shown(ApplicationProcess application, String agent) throws JsonProcessingException {
            var url = application.http().toString();
            var shown = cluster.command("bucket", "show", agent, "--json", "--url", url);
            assertThat(shown.exitCode()).as(shown.output()).isZero();
            return JSON.readTree(shown.output()).path("bucket").path("tokens").asDouble(-1);
        }
    }
}
