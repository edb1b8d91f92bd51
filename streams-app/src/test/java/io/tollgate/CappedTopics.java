package io.tollgate;

import java.util.Map;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

/** A broker's rule, as at providers of Kafka: no topic takes records above 8 MiB. Runs in the broker. */
public final class CappedTopics implements CreateTopicPolicy {
    static final int MOST_BYTES = 8 * 1024 * 1024;

    @Override
    public void configure(Map<String, ?> configs) {}

    @Override
    public void validate(RequestMetadata request) {
        var bytes = request.configs().get("max.message.bytes");
        if (bytes != null && Integer.parseInt(bytes) > MOST_BYTES) {
            throw new PolicyViolationException("max.message.bytes must be at most " + MOST_BYTES + ", but is " + bytes);
        }
    }

    @Override
    public void close() {}
}
