package io.tollgate.quota;

import static io.opentelemetry.sdk.testing.assertj.OpenTelemetryAssertions.assertThat;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.sdk.testing.junit5.OpenTelemetryExtension;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Limit;
import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.ParseResultHeader;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.Record;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** One task whose records are polled and processed by hand, beside the SDK of OpenTelemetry. */
class DecisionSpansTest {
    @RegisterExtension
    static final OpenTelemetryExtension TELEMETRY = OpenTelemetryExtension.create();

    private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
    private static final String PUBLISHERS_SPAN = "b7ad6b7169203331";
    private static final String CONTEXT = "00-" + TRACE + "-" + PUBLISHERS_SPAN + "-01";
    private static final String TOPIC = "requests";

    private final SimulatedTime time = new SimulatedTime();
    private final RunningTasks running = new RunningTasks(new QuotaContext(
            TOPIC,
            1,
            () -> 1_000_000,
            true,
            Optional.empty(),
            new BucketClock(),
            new Policies(Policy.byDefault(new Limit(10, 0)), () -> {}),
            (topic, partition) -> topic.hashCode(),
            new CommittedOffsets(),
            new PipelineMetrics(new SimpleMeterRegistry()),
            new StreamThreadWatch(Duration.ofDays(1)),
            time,
            CallLimits.USUAL));
    private final SimulatedContext<byte[], TaskOutput> context = new SimulatedContext<>(
            0,
            Map.of(
                    BucketStore.NAME,
                    BucketStore.over(new SimulatedStore(BucketStore.NAME, Map.of())),
                    OpenHolds.STORE,
                    new SimulatedStore(OpenHolds.STORE, Map.of())),
            time,
            (record, child) -> {});
    private final DecideRequests decide = new DecideRequests(
            running,
            new TaskTopics(TOPIC, "rekeyed", "usage", "rekeyed-usage"),
            new DecideRequests.DecisionBranches("approved", "rejected", "settled", "all"));
    private final Prefetch prefetch = new Prefetch();

    @BeforeEach
    void start() {
        prefetch.configure(Map.of(Prefetch.TASKS_CONFIG, running));
        decide.init(context);
    }

    @Test
    void traceHasOneSpanToItsDecision() {
        var before = Instant.now();

        var polled = poll(0, 7, Map.of("traceparent", CONTEXT, "tracestate", "vendor=x"));
        time.pass(3_000_000);
        process(polled);

        var span = onlySpan();
        assertThat(span)
                .hasName("decide")
                .hasTraceId(TRACE)
                .hasParentSpanId(PUBLISHERS_SPAN)
                .hasAttributes(Attributes.of(
                        AttributeKey.stringKey("tollgate.agent"), "agent-7",
                        AttributeKey.stringKey("tollgate.verdict"), "approved",
                        AttributeKey.doubleKey("tollgate.cost_tokens"), 7.0,
                        AttributeKey.stringKey("tollgate.decided_by"), "local"));
        assertThat(span.getSpanContext().getTraceState().get("vendor")).isEqualTo("x");
        assertThat(span.getEndEpochNanos() - span.getStartEpochNanos()).isEqualTo(TimeUnit.SECONDS.toNanos(3));
        assertThat(Instant.ofEpochSecond(0, span.getEndEpochNanos())).isBetween(before, Instant.now());
    }

    @Test
    void rejectionIsTheSpansVerdict() {
        process(poll(0, 11, Map.of("traceparent", CONTEXT)));

        assertThat(onlySpan()).hasAttribute(AttributeKey.stringKey("tollgate.verdict"), "rejected");
    }

    @Test
    void withoutATraceThereIsNoSpan() {
        process(poll(0, 1, Map.of()));
        process(poll(1, 1, Map.of("traceparent", "no context")));

        assertThat(TELEMETRY.getSpans()).isEmpty();
    }

    @Test
    void withoutTheAgentRecordsCostNothing() {
        assertThat(DecisionSpans.to(OpenTelemetry.noop())).isNull();
        assertThat(DecisionSpans.to(TELEMETRY.getOpenTelemetry())).isNotNull();
    }

    private static SpanData onlySpan() {
        assertThat(TELEMETRY.getSpans()).hasSize(1);
        return TELEMETRY.getSpans().get(0);
    }

    private ConsumerRecord<byte[], byte[]> poll(long offset, int costTokens, Map<String, String> headers) {
        var request = "{\"agent_id\":\"agent-7\",\"tokens\":" + costTokens + "}";
        var record = new ConsumerRecord<>(TOPIC, 0, offset, "agent-7".getBytes(UTF_8), request.getBytes(UTF_8));
        headers.forEach((key, value) -> record.headers().add(key, value.getBytes(UTF_8)));
        prefetch.onConsume(new ConsumerRecords<>(Map.of(new TopicPartition(TOPIC, 0), List.of(record)), Map.of()));
        return record;
    }

    private void process(ConsumerRecord<byte[], byte[]> polled) {
        context.at(new SimulatedContext.Position(TOPIC, 0, polled.offset()));
        Incoming parsed = ParseResultHeader.on(polled.headers()).incoming();
        decide.process(new Record<>(polled.key(), parsed, 0, polled.headers()));
    }
}
