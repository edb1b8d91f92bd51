package io.tollgate.ingest;

import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/**
 * A record on its way to the next operator, with the very headers that it was given: Streams' own records copy them each
 * time. Whoever makes one hands its headers over. Not thread-safe.
 */
public final class ForwardedRecord<K, V> extends Record<K, V> {
    private final Headers carried;

    /**
     * @param timestamp milliseconds since the epoch
     * @param carried the headers; the next operator may change them, if there is only one
     */
    public ForwardedRecord(@Nullable K key, V value, long timestamp, Headers carried) {
        super(key, value, timestamp);
        this.carried = carried;
    }

    @Override
    public Headers headers() {
        return carried;
    }

    @Override
    public <N> Record<N, V> withKey(N key) {
        return new Record<>(key, value(), timestamp(), carried);
    }

    @Override
    public <N> Record<K, N> withValue(N value) {
        return new Record<>(key(), value, timestamp(), carried);
    }

    @Override
    public Record<K, V> withTimestamp(long timestamp) {
        return new Record<>(key(), value(), timestamp, carried);
    }

    @Override
    public Record<K, V> withHeaders(Headers headers) {
        return new Record<>(key(), value(), timestamp(), headers);
    }
}
