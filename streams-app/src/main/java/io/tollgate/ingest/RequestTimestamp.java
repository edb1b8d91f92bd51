package io.tollgate.ingest;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/**
 * The record's own timestamp, whatever it is. Never throws.
 *
 * <p>Streams drops records with a negative timestamp, so those count as 1970. No decision depends on it.
 */
public final class RequestTimestamp implements TimestampExtractor {
    @Override
    public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
        return Math.max(0, record.timestamp());
    }
}
