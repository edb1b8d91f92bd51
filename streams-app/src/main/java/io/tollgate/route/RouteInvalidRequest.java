package io.tollgate.route;

import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes an invalid request as a rejection with its exact bytes. Takes no other records. */
public final class RouteInvalidRequest extends ContextualProcessor<byte[], Incoming, byte[], byte[]> {
    private final int maxRecordBytes;

    /** @param maxRecordBytes size of the largest record, with key and headers, that can be decided */
    public RouteInvalidRequest(int maxRecordBytes) {
        this.maxRecordBytes = maxRecordBytes;
    }

    @Override
    public void process(Record<byte[], Incoming> record) {
        var source = Source.read(record.headers());
        var rejection = Rejection.of(
                (InvalidRecord) record.value(),
                source,
                OriginalTimestamp.of(record),
                Rejection.maxBytes(maxRecordBytes, record.key(), record.headers()));
        OriginalTimestamp.takeFrom(record.headers()); // the rejection holds it
        QuotaHeaders.writeInvalid(record.headers());
        context().forward(record.withValue(rejection));
    }
}
