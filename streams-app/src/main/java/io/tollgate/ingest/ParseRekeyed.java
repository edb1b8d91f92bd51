package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;
import io.tollgate.mirror.BucketStore;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/**
 * Parses strays that have come home through an internal topic. {@link ParsePublished} has checked them; only the
 * topics' size limits may have changed.
 */
public final class ParseRekeyed extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RecordClassifier parse;
    private final Branches branches;
    private final Consumer<InvalidRule> onInvalid;
    private @Nullable BucketStore store;

    /** @param onInvalid is told of each invalid record */
    public ParseRekeyed(RecordClassifier parse, Branches branches, Consumer<InvalidRule> onInvalid) {
        this.parse = parse;
        this.branches = branches;
        this.onInvalid = onInvalid;
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
        if (incoming instanceof InvalidRecord invalid) onInvalid.accept(invalid.rule());
        // Missing only if another program wrote to Tollgate's internal topic: such a record is decided like any other.
        if (!Source.isNoted(record.headers())) {
            Source.write(record.headers(), position);
        }
        context().forward(record.withValue(incoming), branches.of(incoming));
    }
}
