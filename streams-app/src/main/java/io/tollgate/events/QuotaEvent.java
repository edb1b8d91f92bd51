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
        var json = new RecordJson()
                .text("event", kind.text())
                .text("agent_id", agentId)
                .number("at", atMicros);
        if (!limit.name().isEmpty()) json.text("limit", limit.name());
        return json.number("remaining", remainingTokens)
                .limit(limit.limit())
                .source(source, timestamp)
                .end();
    }
}
