package io.tollgate.ingest;

import org.apache.kafka.common.utils.Utils;
import org.jspecify.annotations.Nullable;

/** Finds out what a record is. Not thread-safe: one for each task or consumer. */
public final class Parse {
    private final int partitions;
    private final RequestParser parser = new RequestParser();

    /** @param partitions how many partitions the topic of requests has */
    public Parse(int partitions) {
        this.partitions = partitions;
    }

    /**
     * Returns what an agent published: a request, one that strayed, or none. Never throws.
     *
     * <p>The partition alone tells, not the record's key: so all requests of one agent on one partition go the same way, and
     * none overtakes another.
     */
    public Incoming published(byte @Nullable [] value, int partition) {
        var incoming = rekeyed(value);
        if (!(incoming instanceof Request request)) return incoming;
        return partitionOf(request.key(), partitions) == partition ? request : new Stray(request);
    }

    /** Returns what has come home through {@code rekeyed}, where nothing is out of place. Never throws. */
    public Incoming rekeyed(byte @Nullable [] value) {
        try {
            return parser.parse(value);
        } catch (InvalidRequestException e) {
            return new Unreadable(value == null ? new byte[0] : value, e.rule(), String.valueOf(e.getMessage()));
        }
    }

    /** Returns the partition that Kafka's own Java producer gives a record with this key. */
    public static int partitionOf(byte[] key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }
}
