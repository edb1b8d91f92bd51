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
        return new RecordJson()
                .text("event", "bucket_reset")
                .text("agent_id", reset.agentId())
                .number("at", reset.atMicros())
                .number("remaining", limit.capacityTokens())
                .limit(limit)
                .text("policy", reset.policy().name())
                .text("by", reset.by())
                .end();
    }
}
