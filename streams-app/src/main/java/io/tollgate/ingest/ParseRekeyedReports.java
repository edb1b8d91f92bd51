package io.tollgate.ingest;

import io.tollgate.mirror.BucketStore;
import java.util.Objects;
import java.util.function.IntSupplier;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/** Parses reports that have come home, as {@link ParseRekeyed} parses requests. */
public final class ParseRekeyedReports extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RecordClassifier parse;
    private final Branches branches;
    private @Nullable BucketStore store;

    /**
     * @param maxRecordBytes returns the size of the largest record, with key and headers, that every later topic
     *     takes now
     */
    public ParseRekeyedReports(IntSupplier maxRecordBytes, Branches branches) {
        this.parse = new RecordClassifier(1, maxRecordBytes);
        this.branches = branches;
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
        var incoming = parse.rekeyedReport(record.key(), record.value(), record.headers());
        if (!Source.isNoted(record.headers())) Source.write(record.headers(), position);
        context().forward(record.withValue(incoming), branches.of(incoming));
    }
}
