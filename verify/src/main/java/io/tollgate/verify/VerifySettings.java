package io.tollgate.verify;

import java.util.Map;

/**
 * The place to read from, and the limit of agents without a policy.
 *
 * @param kafkaProperties client properties for the brokers; the checker overrides those that it depends on
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
