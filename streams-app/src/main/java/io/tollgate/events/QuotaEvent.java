package io.tollgate.events;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.ingest.Source;
import io.tollgate.route.Decimal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * An event about an agent. Immutable.
 *
 * @param atMicros the time of the decision that caused it, on the bucket's clock
 * @param limit the limit concerned
 * @param remainingTokens the tokens left of that limit
 * @param source the request whose decision caused it
 * @param timestamp that request's, in milliseconds since the epoch
 */
record QuotaEvent(
        EventKind kind,
        String agentId,
        long atMicros,
        NamedLimit limit,
        double remainingTokens,
        Source source,
        long timestamp) {
    private static final JsonFactory JSON = new JsonFactory();

    /** Returns the event as {@code schemas/quota-event.schema.json} describes it. */
    byte[] json() {
        var bytes = new ByteArrayOutputStream(320);
        try (var json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("event", kind.text());
            json.writeStringField("agent_id", agentId);
            json.writeNumberField("at", atMicros);
            if (!limit.name().isEmpty()) json.writeStringField("limit", limit.name());
            number(json, "remaining", remainingTokens);
            number(json, "capacity", limit.limit().capacityTokens());
            number(json, "refill_rate", limit.limit().refillTokensPerSecond());
            if (limit.limit().refill() instanceof CalendarRefill calendar) {
                json.writeStringField("period", calendar.period().text());
                json.writeStringField("zone", calendar.zone().getId());
            }
            json.writeObjectFieldStart("source");
            json.writeStringField("topic", source.topic());
            json.writeNumberField("partition", source.partition());
            json.writeNumberField("offset", source.offset());
            json.writeNumberField("timestamp", timestamp);
            json.writeEndObject();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        return bytes.toByteArray();
    }

    static void number(JsonGenerator json, String field, double value) throws IOException {
        json.writeFieldName(field);
        json.writeNumber(Decimal.text(value));
    }
}
