package io.tollgate.quota;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * The span of each request that belongs to a trace: from its poll to its decision, as a child of its publisher's.
 * Thread-safe.
 */
final class DecisionSpans {
    private final Tracer tracer;
    private final TextMapPropagator propagator;

    private DecisionSpans(Tracer tracer, TextMapPropagator propagator) {
        this.tracer = tracer;
        this.propagator = propagator;
    }

    /** Returns the spans for {@code telemetry}; null if nothing listens, so that records cost no work. */
    static @Nullable DecisionSpans to(OpenTelemetry telemetry) {
        var propagator = telemetry.getPropagators().getTextMapPropagator();
        return propagator.fields().isEmpty() ? null : new DecisionSpans(telemetry.getTracer("io.tollgate"), propagator);
    }

    /**
     * Records a decision made right now.
     *
     * @param headers of the request; without the context of a trace there is no span
     */
    void decided(Headers headers, DecidedRequest decided, long nanosSincePoll) {
        var publisher = propagator.extract(Context.root(), headers, DecisionSpans::text);
        if (!Span.fromContext(publisher).getSpanContext().isValid()) return;
        var now = Instant.now();
        tracer.spanBuilder("decide")
                .setParent(publisher)
                .setStartTimestamp(now.minusNanos(nanosSincePoll))
                .setAttribute("tollgate.agent", decided.request().agentId())
                .setAttribute("tollgate.verdict", decided.isApproved() ? "approved" : "rejected")
                .setAttribute("tollgate.cost_tokens", decided.request().costTokens())
                .setAttribute(
                        "tollgate.decided_by", decided.decision().decidedBy().text())
                .startSpan()
                .end(now);
    }

    /** Of several headers with one key, the last one counts, as everywhere in Tollgate. */
    private static @Nullable String text(@Nullable Headers headers, String key) {
        var header = headers == null ? null : headers.lastHeader(key);
        return header == null || header.value() == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }
}
