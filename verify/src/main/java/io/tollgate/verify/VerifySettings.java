package io.tollgate.verify;

import java.util.Map;

/**
 * Where to read, and what applies to an agent without a policy.
 *
 * @param kafkaProperties how to reach the brokers; what the checker must have its own way is overridden
 * @param defaultCapacityTokens TOKEN_BUCKET_SIZE
 * @param defaultRefillTokensPerSecond TOKEN_REFILL_RATE
 */
public record VerifySettings(
        Map<String, Object> kafkaProperties,
        String requestsTopic,
        String approvedTopic,
        String rejectedTopic,
        String policiesTopic,
        String eventsTopic,
        String usageTopic,
        String settledTopic,
        double defaultCapacityTokens,
        double defaultRefillTokensPerSecond) {
    public VerifySettings {
        kafkaProperties = Map.copyOf(kafkaProperties);
    }

    String topic(OutputTopic outcome) {
        return outcome == OutputTopic.APPROVED ? approvedTopic : rejectedTopic;
    }
}
