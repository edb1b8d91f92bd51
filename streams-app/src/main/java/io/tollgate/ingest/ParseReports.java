package io.tollgate.ingest;

import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import java.util.Objects;
import java.util.function.IntSupplier;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/**
 * Parses the usage reports of workers, as {@link ParseRequests} parses requests. A readable report leaves under its
 * agent's key, an unreadable one under its own.
 */
public final class ParseReports extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RecordClassifier parse;
    private final IntSupplier maxRecordBytes;
    private final Branches branches;
    private final PipelineMetrics metrics;
    private @Nullable BucketStore store;

    /**
     * @param partitions the number of partitions of the usage topic
     * @param maxRecordBytes returns the size of the largest record, with key and headers, that every later topic
     *     takes now
     */
    public ParseReports(int partitions, IntSupplier maxRecordBytes, Branches branches, PipelineMetrics metrics) {
        this.parse = new RecordClassifier(partitions, maxRecordBytes);
        this.branches = branches;
        this.maxRecordBytes = maxRecordBytes;
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
        var incoming =
                parse.publishedReport(published.key(), published.value(), published.headers(), position.partition());
        var headers = AgentHeaders.withoutReserved(published.headers());
        Source.write(headers, position);
        if (incoming instanceof UsageReport report) {
            forward(published, report.key(), incoming, headers);
        } else if (incoming instanceof Stray stray) {
            metrics.stray();
            forward(published, stray.key(), incoming, headers);
        } else if (AgentHeaders.isBaggage(published.key(), headers, maxRecordBytes.getAsInt())) {
            forward(published, null, incoming, AgentHeaders.withoutAgents(headers));
        } else {
            forward(published, published.key(), incoming, headers);
        }
    }

    private void forward(Record<byte[], byte[]> published, byte @Nullable [] key, Incoming incoming, Headers headers) {
        context().forward(new Record<>(key, incoming, published.timestamp(), headers), branches.of(incoming));
    }
}
