package io.tollgate.route;

import io.tollgate.quota.Decided;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Writes an approved request: the agent's own bytes, and the headers that say who approved it. */
public final class RouteApproved extends ContextualFixedKeyProcessor<byte[], Decided, byte[]> {
    @Override
    public void process(FixedKeyRecord<byte[], Decided> record) {
        QuotaHeaders.write(record.headers(), record.value());
        context().forward(record.withValue(record.value().request().bytes()));
    }
}
