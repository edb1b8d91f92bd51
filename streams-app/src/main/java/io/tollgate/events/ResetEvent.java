package io.tollgate.events;

import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.route.RecordJson;

/** The event about a reset of an agent's bucket. */
final class ResetEvent {
    private ResetEvent() {}

    /**
     * Returns the event as {@code schemas/quota-event.schema.json} describes it; of several limits it names the first.
     */
    static byte[] json(BucketReset reset) {
        var limit = reset.policy().limit();
        return RecordJson.of((json, bytes) -> {
            json.writeStringField("event", "bucket_reset");
            json.writeStringField("agent_id", reset.agentId());
            json.writeNumberField("at", reset.atMicros());
            RecordJson.number(json, "remaining", limit.capacityTokens());
            RecordJson.limit(json, limit);
            json.writeStringField("policy", reset.policy().name());
            json.writeStringField("by", reset.by());
        });
    }
}
