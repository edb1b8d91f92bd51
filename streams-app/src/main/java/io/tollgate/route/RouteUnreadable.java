package io.tollgate.route;

import io.tollgate.ingest.Source;
import io.tollgate.ingest.Unreadable;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Writes a record that is no request as the JSON that auditors read, with its exact bytes. */
public final class RouteUnreadable extends ContextualFixedKeyProcessor<byte[], Unreadable, byte[]> {
    @Override
    public void process(FixedKeyRecord<byte[], Unreadable> record) {
        QuotaHeaders.writeInvalid(record.headers());
        var source = Source.read(record.headers());
        context().forward(record.withValue(Rejection.of(record.value(), source, record.timestamp())));
    }
}
