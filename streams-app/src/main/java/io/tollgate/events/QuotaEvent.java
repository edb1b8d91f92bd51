package io.tollgate.events;

import io.tollgate.bucket.NamedLimit;
import io.tollgate.ingest.Source;
import io.tollgate.route.RecordJson;

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
    /** Returns the event as {@code schemas/quota-event.schema.json} describes it. */
    byte[] json() {
        return RecordJson.of((json, bytes) -> {
            json.writeStringField("event", kind.text());
            json.writeStringField("agent_id", agentId);
            json.writeNumberField("at", atMicros);
            if (!limit.name().isEmpty()) json.writeStringField("limit", limit.name());
            RecordJson.number(json, "remaining", remainingTokens);
            RecordJson.limit(json, limit.limit());
            RecordJson.source(json, source, timestamp);
        });
    }
}
