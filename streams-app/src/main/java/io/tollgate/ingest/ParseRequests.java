package io.tollgate.ingest;

import io.tollgate.metrics.PipelineMetrics;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Parses what agents published: sorts out records that are no requests and requests that strayed, notes where each came from,
 * and removes headers that only Tollgate may write.
 *
 * <p>A readable request leaves under its agent's key, an unreadable one under its own.
 */
public final class ParseRequests extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    /** Prefix of every header that Tollgate writes. */
    private static final String RESERVED_HEADERS = "quota-";

    private final Parse parse;
    private final PipelineMetrics metrics;

    /** @param partitions how many partitions the topic of requests has */
    public ParseRequests(int partitions, PipelineMetrics metrics) {
        this.parse = new Parse(partitions);
        this.metrics = metrics;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        var position = context().recordMetadata().orElseThrow();
        var headers = record.headers();
        var parsed = Parsed.take(headers);
        removeReserved(headers);
        Source.write(headers, position);
        forward(record, parsed != null ? parsed : parse(record, position));
    }

    private Incoming parse(Record<byte[], byte[]> record, RecordMetadata position) {
        return parse.published(record.value(), position.partition());
    }

    private void forward(Record<byte[], byte[]> record, Incoming incoming) {
        if (incoming instanceof Request request) {
            context().forward(record.withKey(request.key()).withValue(incoming));
        } else if (incoming instanceof Stray stray) {
            metrics.stray();
            context().forward(record.withKey(stray.request().key()).withValue(incoming));
        } else if (incoming instanceof Unreadable unreadable) {
            metrics.invalid(unreadable.rule());
            context().forward(record.withValue(incoming));
        }
    }

    /** Only Tollgate writes quota headers: an agent could otherwise forge its own approval. */
    private static void removeReserved(Headers headers) {
        for (Header header : headers.toArray()) {
            if (header.key().startsWith(RESERVED_HEADERS)) headers.remove(header.key());
        }
    }
}
