package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A request that is part of a trace, without OpenTelemetry and with its Java agent, set as docs/tracing.md says. */
class TracingIT {
    private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
    private static final String PUBLISHERS_SPAN = "b7ad6b7169203331";

    @Test
    void withoutAgentContextIsCarried() throws Exception {
        try (var cluster = TestCluster.onSharedBroker();
                var application = cluster.start()) {
            assertThat(decided(cluster, application)).isEqualTo("00-" + TRACE + "-" + PUBLISHERS_SPAN + "-01");
        }
    }

    /** With -Pfaults, which downloads the agent. */
    @Tag("faults")
    @Test
    void withAgentDecisionIsASpan() throws Exception {
        var agent = Path.of("target", "agent", "opentelemetry-javaagent.jar").toAbsolutePath();
        var settings =
                Path.of("..", "deploy", "opentelemetry", "agent.properties").toAbsolutePath();
        var options = "-javaagent:" + agent + " -Dotel.javaagent.configuration-file=" + settings
                + " -Dotel.traces.exporter=logging";
        try (var cluster = TestCluster.onSharedBroker();
                var application = cluster.start(Map.of("JAVA_TOOL_OPTIONS", options))) {
            var context = decided(cluster, application).split("-");

            assertThat(context[1]).isEqualTo(TRACE);
            assertThat(context[2]).isNotEqualTo(PUBLISHERS_SPAN);
            var topics = cluster.settings().topics();
            await().atMost(Duration.ofSeconds(30))
                    .untilAsserted(() -> assertThat(application.output())
                            .containsPattern("'decide' : " + TRACE + ".*tollgate.verdict=approved")
                            .contains("'" + topics.requests() + " process' : " + TRACE)
                            .containsPattern("'" + topics.approved() + " publish' : " + TRACE + " " + context[2]
                                    + " .*quota_decision=\\[approved\\]"));
        }
    }

    /** Publishes one request that is part of a trace, and returns the context on its decision. */
    private static String decided(TestCluster cluster, ApplicationProcess application) throws Exception {
        var header = new RecordHeader("traceparent", ("00-" + TRACE + "-" + PUBLISHERS_SPAN + "-01").getBytes(UTF_8));
        try (var producer = cluster.producer(Map.of());
                var decisions = new Decisions(cluster)) {
            producer.send(new ProducerRecord<>(
                            cluster.requestsTopic(),
                            null,
                            "agent-7".getBytes(UTF_8),
                            "{\"agent_id\":\"agent-7\"}".getBytes(UTF_8),
                            List.of(header)))
                    .get();
            decisions.await(1, application);
            return decisions.poll().get(0).header("traceparent");
        }
    }
}
