package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.tollgate.sandbox.process.KafkaBroker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The worker of docs/holds.md, as it stands there, in a real Python. */
class HoldsPageIT {
    private static final Path PAGE = Path.of("../docs/holds.md");
    private static final int HOLDS = 5;

    @Test
    void pythonWorkerSettles(@TempDir Path dir) throws Exception {
        var python = python();
        assumeTrue(python.isPresent(), "Python with the package confluent_kafka is not there");
        try (var broker = KafkaBroker.start();
                var cluster = TestCluster.on(broker.bootstrapServers()).withPatience()) {
            cluster.createTopics();
            var worker = Files.writeString(dir.resolve("worker.py"), worker(cluster));
            try (var holds = new Holds(cluster);
                    var application = cluster.start()) {
                for (int i = 0; i < HOLDS; i++) holds.reserve("agent-7", 10);
                var running = new ProcessBuilder(python.get(), worker.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(dir.resolve("output").toFile())
                        .start();
                try {
                    await().atMost(Duration.ofSeconds(60))
                            .until(() -> holds.settled().size() >= HOLDS);
                } finally {
                    running.destroy();
                    running.waitFor();
                }
                assertThat(holds.settled())
                        .as(Files.readString(dir.resolve("output")))
                        .allSatisfy(settled -> {
                            assertThat(settled.get("outcome").textValue()).isEqualTo("settled");
                            assertThat(settled.get("used").doubleValue()).isEqualTo(3);
                        });
                assertThat(application.isAlive()).as(application.output()).isTrue();
            }
        }
    }

    private static String worker(TestCluster cluster) throws IOException {
        var code = Pattern.compile("```python\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(PAGE));
        assertThat(code.find()).isTrue();
        assertThat(code.group(1)).contains("\"localhost:9092\"", "\"approved-requests\"", "call_the_model(");
        return "def call_the_model(request):\n    return 3\n\n"
                + code.group(1)
                        .replace("localhost:9092", cluster.settings().kafka().bootstrapServers())
                        .replace(
                                "approved-requests", cluster.settings().topics().approved());
    }

    private static Optional<String> python() {
        return Stream.of("python3", "/usr/bin/python3")
                .filter(HoldsPageIT::hasKafka)
                .findFirst();
    }

    private static boolean hasKafka(String python) {
        try {
            return new ProcessBuilder(python, "-c", "import confluent_kafka")
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException notThere) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
