package io.tollgate.route;

import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import java.util.function.Consumer;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes an invalid record with its exact bytes. Takes no other records. */
public final class RouteInvalid extends ContextualProcessor<byte[], Incoming, byte[], byte[]> {
    private final int maxRecordBytes;
    private final Json json;
    private final Consumer<Headers> headers;

    private interface Json {
        byte[] of(InvalidRecord invalid, Source source, long timestamp, int maxBytes);
    }

    private RouteInvalid(int maxRecordBytes, Json json, Consumer<Headers> headers) {
        this.maxRecordBytes = maxRecordBytes;
        this.json = json;
        this.headers = headers;
    }

    /**
     * Writes requests as rejections.
     *
     * @param maxRecordBytes size of the largest record, with key and headers, that can be written
     */
    public static RouteInvalid request(int maxRecordBytes) {
        return new RouteInvalid(maxRecordBytes, Rejection::of, QuotaHeaders::writeInvalid);
    }

    /** Writes reports as settlements; the parameter is that of requests. */
    public static RouteInvalid report(int maxRecordBytes) {
        return new RouteInvalid(
                maxRecordBytes,
                SettlementJson::of,
                headers -> QuotaHeaders.writeOutcome(headers, SettlementJson.INVALID_REPORT));
    }

    @Override
    public void process(Record<byte[], Incoming> record) {
        var written = json.of(
                (InvalidRecord) record.value(),
                Source.read(record.headers()),
                OriginalTimestamp.of(record),
                Rejection.maxBytes(maxRecordBytes, record.key(), record.headers()));
        OriginalTimestamp.takeFrom(record.headers()); // it stands in the JSON
        headers.accept(record.headers());
        context().forward(record.withValue(written));
    }
}
