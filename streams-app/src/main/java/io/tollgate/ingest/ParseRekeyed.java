package io.tollgate.ingest;

import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import java.util.Objects;
import java.util.function.IntSupplier;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/**
 * Parses strays that have come home through {@code rekeyed}. {@link ParseRequests} has checked them; only the topics'
 * size limits may have changed.
 */
public final class ParseRekeyed extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RecordClassifier parse;
    private final Branches branches;
    private final PipelineMetrics metrics;
    private @Nullable BucketStore store;

    /**
     * @param maxRecordBytes returns the size of the largest record, with key and headers, that every later topic
     *     takes now
     */
    public ParseRekeyed(IntSupplier maxRecordBytes, Branches branches, PipelineMetrics metrics) {
        this.parse = new RecordClassifier(1, maxRecordBytes);
        this.branches = branches;
        this.metrics = metrics;
    }

    @Override
    public void init(ProcessorContext<byte[], Incoming> context) {
        super.init(context);
        store = context.getStateStore(BucketStore.NAME);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        var position = context().recordMetadata().orElseThrow();
        if (!Objects.requireNonNull(store).take(position)) return;
        var parsed = ParseResultHeader.on(record.headers());
        var incoming =
                parsed != null ? parsed.incoming() : parse.rekeyed(record.key(), record.value(), record.headers());
        if (parsed != null && !(incoming instanceof Request)) ParseResultHeader.takeFrom(record.headers());
        if (incoming instanceof InvalidRecord unreadable) metrics.invalid(unreadable.rule());
        // Missing only if another program wrote to Tollgate's internal topic: such a record is decided like any other.
        if (!Source.isNoted(record.headers())) {
            Source.write(record.headers(), position);
        }
        context().forward(record.withValue(incoming), branches.of(incoming));
    }
}
