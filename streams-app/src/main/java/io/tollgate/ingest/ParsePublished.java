package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.jspecify.annotations.Nullable;

/**
 * Parses the records of agents and their workers: sorts out invalid records and strays, notes the source of each, and
 * removes headers that only Tollgate may write. A {@link ParseResultHeader} stays on a request for the operator that
 * decides it.
 *
 * <p>A readable record leaves under its agent's key, an invalid one under its own.
 */
public final class ParsePublished extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RecordClassifier parse;
    private final Branches branches;
    private final Consumer<InvalidRule> onInvalid;
    private final PipelineMetrics metrics;
    private @Nullable BucketStore store;

    /** @param onInvalid is told of each invalid record */
    public ParsePublished(
            RecordClassifier parse, Branches branches, Consumer<InvalidRule> onInvalid, PipelineMetrics metrics) {
        this.parse = parse;
        this.branches = branches;
        this.onInvalid = onInvalid;
        this.metrics = metrics;
    }

    @Override
    public void init(ProcessorContext<byte[], Incoming> context) {
        super.init(context);
        store = context.getStateStore(BucketStore.NAME);
    }

    @Override
    public void process(Record<byte[], byte[]> published) {
        var position = context().recordMetadata().orElseThrow();
        if (!Objects.requireNonNull(store).take(position)) return;
        var parsed = ParseResultHeader.on(published.headers());
        var incoming = parsed != null ? parsed.incoming() : parse(published, position);
        if (parsed != null && !(incoming instanceof Request)) ParseResultHeader.takeFrom(published.headers());
        var headers = AgentHeaders.withoutReserved(published.headers());
        Source.write(headers, position);
        if (incoming instanceof AgentRecord record) {
            forward(published, record.key(), incoming, headers);
        } else if (incoming instanceof Stray stray) {
            metrics.stray();
            forward(published, stray.key(), incoming, headers);
        } else if (incoming instanceof InvalidRecord invalid) {
            onInvalid.accept(invalid.rule());
            if (AgentHeaders.isBaggage(published.key(), headers, parse.maxRecordBytes())) {
                forward(published, null, incoming, AgentHeaders.withoutAgents(headers));
            } else {
                forward(published, published.key(), incoming, headers);
            }
        }
    }

    private Incoming parse(Record<byte[], byte[]> record, RecordMetadata position) {
        return parse.published(record.key(), record.value(), record.headers(), position.partition());
    }

    private void forward(Record<byte[], byte[]> published, byte @Nullable [] key, Incoming incoming, Headers headers) {
        context().forward(new ForwardedRecord<>(key, incoming, published.timestamp(), headers), branches.of(incoming));
    }
}
