package io.tollgate.route;

import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes an invalid report as a settlement with its exact bytes. Takes no other records. */
public final class RouteInvalidReport extends ContextualProcessor<byte[], Incoming, byte[], byte[]> {
    private final int maxRecordBytes;

    /** @param maxRecordBytes size of the largest record, with key and headers, that can be written */
    public RouteInvalidReport(int maxRecordBytes) {
        this.maxRecordBytes = maxRecordBytes;
    }

    @Override
    public void process(Record<byte[], Incoming> record) {
        var json = SettlementJson.of(
                (InvalidRecord) record.value(),
                Source.read(record.headers()),
                OriginalTimestamp.of(record),
                Rejection.maxBytes(maxRecordBytes, record.key(), record.headers()));
        OriginalTimestamp.takeFrom(record.headers()); // it stands there
        QuotaHeaders.writeOutcome(record.headers(), SettlementJson.INVALID_REPORT);
        context().forward(record.withValue(json));
    }
}
