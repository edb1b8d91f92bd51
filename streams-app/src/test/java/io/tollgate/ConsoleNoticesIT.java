package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.By;
import org.openqa.selenium.chrome.ChromeDriver;

/** The console's notices about incomplete figures, in a real browser, over real faults. */
class ConsoleNoticesIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    private static ChromeDriver browser;
    private static KafkaBroker broker;
    private static TestCluster cluster;
    private static ApplicationProcess application;

    @BeforeAll
    static void start() {
        browser = ConsoleBrowser.start();
        broker = KafkaBroker.start();
        cluster = TestCluster.on(broker.bootstrapServers())
                // A silent instance stays a member for as long as a test may take.
                .with("KAFKA_MAIN_CONSUMER_SESSION_TIMEOUT_MS", "60000");
        cluster.createTopics();
        application = cluster.start();
        browser.get(application.http() + "/");
    }

    @AfterAll
    static void stop() {
        if (browser != null) browser.quit();
        if (application != null) application.close();
        if (cluster != null) cluster.close();
        if (broker != null) broker.close();
    }

    @BeforeEach
    void nothingIsWrong() {
        awaitTruth();
    }

    @Test
    void silentInstanceIsNamed() {
        try (var other = cluster.start(cluster.ownState("other"))) {
            var address = other.http().getAuthority();
            await("both").atMost(SOON).until(() -> text("instances").contains(address + "running"));

            other.freeze();
            await("it is named")
                    .atMost(SOON)
                    .until(() -> text("notices").equals(address + " does not answer: its figures are missing."));
            assertThat(text("instances")).contains(address + "unreachable––––");
            await("the chart lacks it")
                    .atMost(SOON)
                    .until(() -> text("chart-readout").endsWith(", without an instance that did not answer"));

            other.thaw();
            await("both again").atMost(SOON).until(() -> text("instances").contains(address + "running"));
            awaitTruth();
        }
        // Closed, it has left the group.
        awaitTruth();
    }

    @Test
    void frozenKafkaInventsNothing() {
        broker.freeze();
        try {
            await("both notices")
                    .atMost(SOON)
                    .until(
                            () -> text("notices")
                                    .matches(
                                            "Kafka does not tell how many requests wait\\.Nothing was decided for [0-9]+ s\\."));
            assertThat(text("lag")).isEqualTo("–");
            assertThat(text("lag-partition")).isEqualTo("not known: Kafka does not answer");
            assertThat(text("connection-text"))
                    .as("the pipeline itself answers")
                    .isEqualTo("live");
        } finally {
            broker.thaw();
        }

        awaitTruth();
        assertThat(text("lag")).matches("[0-9,]+");
    }

    /** They stand behind an open transaction: published, but not readable yet. */
    @Test
    void undecidedRequestsAreCounted() {
        try (var producer = cluster.producer(Map.of("transactional.id", "open"))) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(cluster.requestsTopic(), Requests.value("agent", 1, i)));
            }
            producer.flush();

            await("the notice")
                    .atMost(SOON)
                    .until(() -> text("notices")
                            .matches("Nothing was decided for [0-9]+ s, though 1[0-9]{2} requests wait\\."));

            producer.commitTransaction();
        }
        awaitTruth();
    }

    /** Waits until the figures are complete. */
    private static void awaitTruth() {
        await("no notice")
                .atMost(SOON)
                .until(() -> text("connection-text").equals("live")
                        && text("notices").isEmpty()
                        && text("lag").matches("[0-9,]+"));
        assertThat(browser.findElement(By.tagName("body")).getDomAttribute("data-stale"))
                .isNotEqualTo("true");
    }

    private static String text(String id) {
        return ConsoleBrowser.text(browser, id);
    }
}
