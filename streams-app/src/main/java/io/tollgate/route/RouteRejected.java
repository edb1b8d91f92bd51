package io.tollgate.route;

import io.tollgate.ingest.Source;
import io.tollgate.quota.Decided;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Writes a rejected request as the JSON that auditors read. */
public final class RouteRejected extends ContextualFixedKeyProcessor<byte[], Decided, byte[]> {
    @Override
    public void process(FixedKeyRecord<byte[], Decided> record) {
        QuotaHeaders.write(record.headers(), record.value());
        var source = Source.read(record.headers());
        context().forward(record.withValue(Rejection.of(record.value(), source, record.timestamp())));
    }
}
