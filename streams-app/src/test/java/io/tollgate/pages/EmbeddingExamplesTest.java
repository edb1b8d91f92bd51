package io.tollgate.pages;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.client.ResourceQuotaManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.junit.jupiter.api.Test;

/** The Java of docs/embedding.md, between the lines {@code // EMBEDDING} and {@code // end}: it compiles and does what the page says. */
class EmbeddingExamplesTest {
    private static final Path THIS = Path.of("src/test/java/io/tollgate/pages/EmbeddingExamplesTest.java");
    private static final ObjectMapper JSON = new ObjectMapper();

    // EMBEDDING
    /** Asks Tollgate before the work, and works on what it approves. */
    static Topology aroundTollgate() {
        var builder = new StreamsBuilder();
        builder.<String, String>stream("calls") // keyed by agent
                .mapValues((agent, call) -> JSON.createObjectNode()
                        .put("agent_id", agent)
                        .put("tokens", call.length())
                        .put("payload", call)
                        .toString())
                .to("agent-requests");
        builder.<String, String>stream("approved-requests")
                .mapValues(EmbeddingExamplesTest::work)
                .to("answers");
        return builder.build();
    }
    // end

    // EMBEDDING
    /** Lets a call pass if its agent has the tokens; the others learn when to come back. */
    static final class Quota extends ContextualProcessor<String, String, String, String> {
        private final ResourceQuotaManager quota; // one for all threads; close it after the KafkaStreams

        Quota(ResourceQuotaManager quota) {
            this.quota = quota;
        }

        @Override
        public void process(Record<String, String> call) {
            var decision = quota.checkAndConsume(call.key(), call.value().length()); // waits for Redis
            if (decision instanceof Decision.QuotaExceeded exceeded) {
                exceeded.retryAfter()
                        .ifPresent(wait -> call.headers()
                                .add(
                                        "retry-after-ms",
                                        Long.toString(wait.toMillis()).getBytes()));
            }
            context().forward(call, decision.isApproved() ? "allowed" : "refused");
        }
    }

    static Topology withTheLibrary(ResourceQuotaManager quota) {
        return new Topology()
                .addSource("calls", "calls")
                .addProcessor("quota", () -> new Quota(quota), "calls")
                .addSink("allowed", "allowed-calls", "quota")
                .addSink("refused", "refused-calls", "quota");
    }
    // end

    private static String work(String request) {
        try {
            return "worked on " + JSON.readTree(request).get("payload").asText();
        } catch (java.io.IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void pageShowsThisCode() throws Exception {
        var regions = Pattern.compile("^ {4}// EMBEDDING\\n(.*?)^ {4}// end$", Pattern.DOTALL | Pattern.MULTILINE);
        var shown = Pattern.compile("^```java\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE);
        List<String> compiled = all(regions, Files.readString(THIS)).stream()
                .map(region -> region.replaceAll("(?m)^ {4}", ""))
                .toList();

        assertThat(all(shown, Files.readString(Page.ROOT.resolve("docs/embedding.md"))))
                .hasSize(2)
                .isEqualTo(compiled);
    }

    private static List<String> all(Pattern pattern, String text) {
        return pattern.matcher(text)
                .results()
                .map((MatchResult found) -> found.group(1))
                .toList();
    }

    @Test
    void aroundTollgateAsksAndWorks() throws Exception {
        try (var driver = new TopologyTestDriver(aroundTollgate(), strings())) {
            input(driver, "calls").pipeInput("agent-7", "hello");
            input(driver, "approved-requests").pipeInput("agent-7", "{\"agent_id\":\"agent-7\",\"payload\":\"hi\"}");

            var request = output(driver, "agent-requests").readKeyValue();
            assertThat(request.key).isEqualTo("agent-7");
            assertThat(SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                            .getSchema(Files.readString(Page.ROOT.resolve("schemas/agent-request.schema.json")))
                            .validate(request.value, InputFormat.JSON))
                    .isEmpty();
            assertThat(JSON.readTree(request.value).get("tokens").asInt()).isEqualTo(5);
            assertThat(output(driver, "answers").readValuesToList()).containsExactly("worked on hi");
        }
    }

    @Test
    void withTheLibraryLettersAreTokens() {
        try (var quota = ResourceQuotaManager.local(new Limit(10, 0.001));
                var driver = new TopologyTestDriver(withTheLibrary(quota), strings())) {
            var calls = input(driver, "calls");
            calls.pipeInput("agent-7", "12345678");
            calls.pipeInput("agent-7", "12345678");
            calls.pipeInput("agent-8", "12345678");

            assertThat(output(driver, "allowed-calls").readKeyValuesToMap().keySet())
                    .isEqualTo(Map.of("agent-7", "", "agent-8", "").keySet());
            var refused = output(driver, "refused-calls").readRecord();
            assertThat(refused.key()).isEqualTo("agent-7");
            assertThat(new String(refused.headers().lastHeader("retry-after-ms").value()))
                    .matches("[0-9]{7}");
        }
    }

    private static Properties strings() {
        var properties = new Properties();
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        return properties;
    }

    private static TestInputTopic<String, String> input(TopologyTestDriver driver, String topic) {
        return driver.createInputTopic(topic, new StringSerializer(), new StringSerializer());
    }

    private static TestOutputTopic<String, String> output(TopologyTestDriver driver, String topic) {
        return driver.createOutputTopic(topic, new StringDeserializer(), new StringDeserializer());
    }
}
