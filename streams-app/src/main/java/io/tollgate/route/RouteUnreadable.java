package io.tollgate.route;

import io.tollgate.ingest.Unreadable;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Writes a record that is no request as the JSON that auditors read, with its exact bytes. */
public final class RouteUnreadable extends ContextualFixedKeyProcessor<byte[], Unreadable, byte[]> {
    @Override
    public void process(FixedKeyRecord<byte[], Unreadable> record) {
        var position = context().recordMetadata().orElseThrow();
        QuotaHeaders.writeInvalid(record.headers());
        var source = Rejection.source(record.headers(), record.timestamp(), position);
        context().forward(record.withValue(Rejection.of(record.value(), source)));
    }
}
