package io.tollgate.policy;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Changes a part of a policy. */
public final class PolicyMerge {
    private static final String LIMITS = "limits";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private PolicyMerge() {}

    /**
     * Returns the policy with what the bytes name. What they do not name stays; a field that is null goes. Of several limits,
     * {@code capacity} and {@code refill_rate} change the first.
     *
     * @throws InvalidPolicyException if the bytes are not a JSON object, or what comes of it breaks a rule
     */
    public static PolicyDocument merge(PolicyDocument policy, byte[] changes) throws InvalidPolicyException {
        ObjectNode named;
        try {
            if (!(JSON.readTree(changes) instanceof ObjectNode object)) return PolicyJson.parse(changes);
            named = object;
        } catch (IOException malformed) {
            return PolicyJson.parse(changes); // says what is wrong
        }
        try {
            var merged = (ObjectNode) JSON.readTree(PolicyJson.write(policy));
            if (named.has(LIMITS)) {
                merged.remove("capacity");
                merged.remove("refill_rate");
            } else if (merged.get(LIMITS) != null) {
                var first = (ObjectNode) merged.get(LIMITS).get(0);
                for (var field : new String[] {"capacity", "refill_rate"}) {
                    if (named.has(field)) first.set(field, named.remove(field));
                }
            }
            named.properties().forEach(field -> {
                if (field.getValue().isNull()) merged.remove(field.getKey());
                else merged.set(field.getKey(), field.getValue());
            });
            return PolicyJson.parse(JSON.writeValueAsBytes(merged));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }
}
