package io.tollgate.route;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.ingest.Source;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Writes the JSON of the records that Tollgate makes, and the fields that several of them have. */
public final class RecordJson {
    private static final JsonFactory JSON = new JsonFactory();
    private static final int USUAL_BYTES = 512;

    private RecordJson() {}

    /** Writes the fields of one record. */
    @FunctionalInterface
    public interface Fields {
        /** @param bytes the stream the generator writes to */
        void write(JsonGenerator json, ByteArrayOutputStream bytes) throws IOException;
    }

    /** Returns an object with these fields. */
    public static byte[] of(Fields fields) {
        return of(0, fields);
    }

    /** @param carriedBytes roughly the size of what it carries beside its own fields */
    static byte[] of(int carriedBytes, Fields fields) {
        var bytes = new ByteArrayOutputStream(carriedBytes + USUAL_BYTES);
        try (var json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            fields.write(json, bytes);
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        return bytes.toByteArray();
    }

    /** Writes a number as a plain decimal. */
    public static void number(JsonGenerator json, String field, double value) throws IOException {
        json.writeFieldName(field);
        json.writeNumber(Decimal.text(value));
    }

    /** Writes what a limit promises. */
    public static void limit(JsonGenerator json, Limit limit) throws IOException {
        number(json, "capacity", limit.capacityTokens());
        number(json, "refill_rate", limit.refillTokensPerSecond());
        if (limit.refill() instanceof CalendarRefill calendar) {
            json.writeStringField("period", calendar.period().text());
            json.writeStringField("zone", calendar.zone().getId());
        }
    }

    /** Writes a position, and the timestamp of its record in milliseconds since the epoch. */
    public static void source(JsonGenerator json, Source source, long timestamp) throws IOException {
        json.writeObjectFieldStart("source");
        json.writeStringField("topic", source.topic());
        json.writeNumberField("partition", source.partition());
        json.writeNumberField("offset", source.offset());
        json.writeNumberField("timestamp", timestamp);
        json.writeEndObject();
    }
}
