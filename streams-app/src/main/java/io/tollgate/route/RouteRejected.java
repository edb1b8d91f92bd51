package io.tollgate.route;

import io.tollgate.ingest.ForwardedRecord;
import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes a rejected request as a rejection. */
public final class RouteRejected extends ContextualProcessor<byte[], DecidedRequest, byte[], byte[]> {
    private final QuotaHeaders quotaHeaders = new QuotaHeaders();
    private final int maxRecordBytes;

    /** @param maxRecordBytes size of the largest record, with key and headers, that can be decided */
    public RouteRejected(int maxRecordBytes) {
        this.maxRecordBytes = maxRecordBytes;
    }

    @Override
    public void process(Record<byte[], DecidedRequest> record) {
        var decided = record.value();
        var remaining = Decimal.text(decided.decision().remainingTokens());
        var headers = quotaHeaders.with(record.headers(), decided, remaining);
        var rejection = Rejection.of(
                decided,
                remaining,
                Source.read(record.headers()),
                OriginalTimestamp.of(record),
                Rejection.maxBytes(maxRecordBytes, record.key(), headers));
        context().forward(new ForwardedRecord<>(record.key(), rejection, record.timestamp(), headers));
    }
}
