package io.tollgate.events;

import com.fasterxml.jackson.core.JsonFactory;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.quota.TaskOutput.BucketReset;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The event about a reset of an agent's bucket. */
final class ResetEvent {
    private static final JsonFactory JSON = new JsonFactory();

    private ResetEvent() {}

    /**
     * Returns the event as {@code schemas/quota-event.schema.json} describes it; of several limits it names the first.
     */
    static byte[] json(BucketReset reset) {
        var limit = reset.policy().limit();
        var bytes = new ByteArrayOutputStream(256);
        try (var json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("event", "bucket_reset");
            json.writeStringField("agent_id", reset.agentId());
            json.writeNumberField("at", reset.atMicros());
            QuotaEvent.number(json, "remaining", limit.capacityTokens());
            QuotaEvent.number(json, "capacity", limit.capacityTokens());
            QuotaEvent.number(json, "refill_rate", limit.refillTokensPerSecond());
            if (limit.refill() instanceof CalendarRefill calendar) {
                json.writeStringField("period", calendar.period().text());
                json.writeStringField("zone", calendar.zone().getId());
            }
            json.writeStringField("policy", reset.policy().name());
            json.writeStringField("by", reset.by());
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        return bytes.toByteArray();
    }
}
