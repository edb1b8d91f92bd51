package io.tollgate.route;

import io.tollgate.ingest.ForwardedRecord;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes an approved request: the agent's own bytes, and the headers that say who approved it. */
public final class RouteApproved extends ContextualProcessor<byte[], DecidedRequest, byte[], byte[]> {
    private final QuotaHeaders quotaHeaders = new QuotaHeaders();

    @Override
    public void process(Record<byte[], DecidedRequest> record) {
        var decided = record.value();
        var headers = quotaHeaders.with(record.headers(), decided);
        context().forward(new ForwardedRecord<>(record.key(), decided.request().bytes(), record.timestamp(), headers));
    }
}
