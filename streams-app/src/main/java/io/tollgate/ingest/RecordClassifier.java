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
    private final RequestParser requests = new RequestParser();
    private final ReportParser reports = new ReportParser();

    /**
     * @param partitions the number of partitions of the requests topic
     * @param maxRecordBytes returns the size of the largest record, with key and headers, that every later topic
     *     takes now
     */
    public RecordClassifier(int partitions, IntSupplier maxRecordBytes) {
        this.partitions = partitions;
        this.maxRecordBytes = maxRecordBytes;
    }

    /**
     * Returns the classification of a published record: a request, a stray, or invalid. Never throws.
     *
     * <p>A record that would not fit an output topic once decided is invalid. Brokers limit compressed sizes, so a
     * small batch may hold a record of any size.
     *
     * <p>The partition decides, not the record's key. So all requests of one agent on one partition take the same way,
     * and none overtakes another.
     */
    public Incoming published(byte @Nullable [] key, byte @Nullable [] value, Headers headers, int partition) {
        var incoming = ofAnySize(requests, key, value, headers, 0);
        if (!(incoming instanceof Request request)) return incoming;
        return partitionOf(request.key(), partitions) == partition
                ? request
                : new Stray(request.key(), request.bytes());
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
        return ofAnySize(requests, key, value, headers, STRAY_GAINS_BYTES);
    }

    private static InvalidRecord tooLarge(byte @Nullable [] value, int limit) {
        return new InvalidRecord(
                value == null ? new byte[0] : value,
                InvalidRule.TOO_LARGE,
                "too_large: record must be at most " + limit + " bytes with key and headers, not compressed");
    }

    /** As {@link #published}, for a usage report. */
    Incoming publishedReport(byte @Nullable [] key, byte @Nullable [] value, Headers headers, int partition) {
        var incoming = ofAnySize(reports, key, value, headers, 0);
        if (!(incoming instanceof UsageReport report)) return incoming;
        var home = report.key();
        return partitionOf(home, partitions) == partition ? report : new Stray(home, report.bytes());
    }

    /** As {@link #rekeyed}, for a usage report. */
    Incoming rekeyedReport(byte @Nullable [] key, byte @Nullable [] value, Headers headers) {
        return ofAnySize(reports, key, value, headers, STRAY_GAINS_BYTES);
    }

    /** @param gained the bytes that the record may have in addition */
    private Incoming ofAnySize(
            RecordParser<? extends Incoming> parser,
            byte @Nullable [] key,
            byte @Nullable [] value,
            Headers headers,
            int gained) {
        int limit = maxRecordBytes.getAsInt();
        long bytes = length(key) + length(value) + bytes(headers);
        return bytes - gained > limit ? tooLarge(value, limit) : parse(parser, value);
    }

    private static Incoming parse(RecordParser<? extends Incoming> parser, byte @Nullable [] value) {
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
