package io.tollgate.ingest;

import java.time.Duration;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/**
 * The timestamp under which a request goes on: its agent's own where that may be right, else the time now. Never throws.
 *
 * <p>Kafka deletes and rolls a topic's segments by the timestamps of its records. Those that agents give may be in seconds instead of
 * milliseconds, or years ahead: taken as they are, decisions would be deleted at once or never, and every few of them would begin a
 * segment. {@link OriginalTimestamp} remembers what was replaced. No decision depends on either. Thread-safe.
 */
public final class RequestTimestamp implements TimestampExtractor {
    /** By this much a clock may be wrong, or a request may have waited. Part of the contract with readers: the checker knows it too. */
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
