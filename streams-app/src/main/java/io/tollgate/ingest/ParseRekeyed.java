package io.tollgate.ingest;

import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Parses strays that have come home through {@code rekeyed}. {@link ParseRequests} has checked them: nothing is checked again. */
public final class ParseRekeyed extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final RequestParser parser = new RequestParser();

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            context().forward(record.withValue(parser.parse(record.value())));
        } catch (InvalidRequestException e) {
            // Somebody other than Tollgate wrote to its internal topic. The record is not lost: it is refused like any
            // other.
            context().forward(record.withValue(new Unreadable(record.value(), e.getMessage())));
        }
    }
}
