package io.tollgate.ingest;

import java.time.Duration;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/**
 * The timestamp a request continues with: its agent's own if that is plausible, else the present time. Never throws.
 *
 * <p>Kafka deletes and rolls a topic's segments by the timestamps of its records. Agents may give seconds instead of
 * milliseconds, or a time years ahead. With such timestamps, decisions would be deleted at once or never, and every
 * few of them would begin a segment. {@link OriginalTimestamp} keeps the replaced one. No decision depends on
 * either. Thread-safe.
 */
public final class RequestTimestamp implements TimestampExtractor {
    /**
     * The largest plausible error of a clock, or delay of a request. Part of the contract with readers: the checker
     * knows it too.
     */
    public static final Duration FARTHEST = Duration.ofDays(2);

    private final LongSupplier nowMillis;

    public RequestTimestamp() {
        this(System::currentTimeMillis);
    }

    RequestTimestamp(LongSupplier nowMillis) {
        this.nowMillis = nowMillis;
    }

    @Override
    public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
        long given = record.timestamp();
        long now = nowMillis.getAsLong();
        if (given >= now - FARTHEST.toMillis() && given <= now + FARTHEST.toMillis()) return given;
        OriginalTimestamp.note(record.headers(), given);
        return now;
    }
}
