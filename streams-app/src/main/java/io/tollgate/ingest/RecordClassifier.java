package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;
import java.util.function.IntSupplier;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.utils.Utils;
import org.jspecify.annotations.Nullable;

/** Classifies records: request, report, stray or invalid. Not thread-safe: one for each task or consumer. */
public final class RecordClassifier {
    private static final int HEADER_OVERHEAD_BYTES = 10;

    /**
     * Bytes that a stray may gain on its way home: its agent's id as key, and its source. They are no reason to refuse
     * it there.
     */
    private static final int STRAY_GAINS_BYTES = 1_024;

    private final int partitions;
    private final IntSupplier maxRecordBytes;
    private final RecordParser<? extends AgentRecord> parser;

    private RecordClassifier(int partitions, IntSupplier maxRecordBytes, RecordParser<? extends AgentRecord> parser) {
        this.partitions = partitions;
        this.maxRecordBytes = maxRecordBytes;
        this.parser = parser;
    }

    /**
     * Returns a classifier for records of the requests topic.
     *
     * @param partitions the number of partitions of the topic
     * @param maxRecordBytes returns the size of the largest record, with key and headers, that every later topic takes
     *     now
     */
    public static RecordClassifier ofRequests(int partitions, IntSupplier maxRecordBytes) {
        return new RecordClassifier(partitions, maxRecordBytes, new RequestParser());
    }

    /** As {@link #ofRequests}, for records of the usage topic. */
    public static RecordClassifier ofReports(int partitions, IntSupplier maxRecordBytes) {
        return new RecordClassifier(partitions, maxRecordBytes, new ReportParser());
    }

    int maxRecordBytes() {
        return maxRecordBytes.getAsInt();
    }

    /**
     * Returns the classification of a published record: a request or report, a stray, or invalid. Never throws.
     *
     * <p>A record that would not fit an output topic once decided is invalid. Brokers limit compressed sizes, so a
     * small batch may hold a record of any size.
     *
     * <p>The partition decides, not the record's key. So all records of one agent on one partition take the same way,
     * and none overtakes another.
     */
    public Incoming published(byte @Nullable [] key, byte @Nullable [] value, Headers headers, int partition) {
        var incoming = ofAnySize(key, value, headers, 0);
        if (!(incoming instanceof AgentRecord record)) return incoming;
        var home = record.key();
        return partitionOf(home, partitions) == partition ? record : new Stray(home, record.bytes());
    }

    /** Returns roughly how many bytes these headers take in a record. */
    public static long bytes(Headers headers) {
        long bytes = 0;
        for (Header header : headers) {
            bytes += 3L * header.key().length() + length(header.value()) + HEADER_OVERHEAD_BYTES; // the longest UTF-8
        }
        return bytes;
    }

    /** Returns the length of a key or value in bytes; 0 for null. */
    public static long length(byte @Nullable [] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    /**
     * Returns the classification of a record that has come home through {@code rekeyed}, where nothing is a stray.
     * Never throws.
     *
     * <p>It was not too large when it was sent home, but the topics' limits may have been lowered since.
     */
    public Incoming rekeyed(byte @Nullable [] key, byte @Nullable [] value, Headers headers) {
        return ofAnySize(key, value, headers, STRAY_GAINS_BYTES);
    }

    private static InvalidRecord tooLarge(byte @Nullable [] value, int limit) {
        return new InvalidRecord(
                value == null ? new byte[0] : value,
                InvalidRule.TOO_LARGE,
                "too_large: record must be at most " + limit + " bytes with key and headers, not compressed");
    }

    /** @param gained the bytes that the record may have in addition */
    private Incoming ofAnySize(byte @Nullable [] key, byte @Nullable [] value, Headers headers, int gained) {
        int limit = maxRecordBytes();
        long bytes = length(key) + length(value) + bytes(headers);
        if (bytes - gained > limit) return tooLarge(value, limit);
        try {
            return parser.parse(value);
        } catch (InvalidRequestException e) {
            return new InvalidRecord(value == null ? new byte[0] : value, e.rule(), String.valueOf(e.getMessage()));
        }
    }

    /** Returns the partition that Kafka's Java producer gives a record with this key. */
    public static int partitionOf(byte[] key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }
}
