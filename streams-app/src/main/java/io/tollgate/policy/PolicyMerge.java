package io.tollgate.policy;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/** Changes parts of a policy. */
public final class PolicyMerge {
    private static final String LIMITS = "limits";
    private static final String HOLDS = "holds";

    private static final List<String> OF_ONE_LIMIT = List.of("capacity", "refill_rate", "period", "zone");

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private PolicyMerge() {}

    /**
     * Returns the policy with the fields that the bytes name. All other fields stay; a field that is null is removed.
     * Of several limits, {@code capacity}, {@code refill_rate}, {@code period} and {@code zone} change the first. A
     * limit that gets a rate loses its period, and the other way round. Unnamed fields of {@code holds} stay as well.
     *
     * @throws InvalidPolicyException if the bytes are not a JSON object, or the result breaks a rule
     */
    public static PolicyDocument merge(PolicyDocument policy, byte[] bytes) throws InvalidPolicyException {
        ObjectNode named;
        try {
            if (!(JSON.readTree(bytes) instanceof ObjectNode object)) return PolicyJson.parse(bytes);
            named = object;
        } catch (IOException malformed) {
            return PolicyJson.parse(bytes); // says what is wrong
        }
        try {
            var merged = (ObjectNode) JSON.readTree(PolicyJson.write(policy));
            if (named.has(LIMITS)) {
                merged.remove(OF_ONE_LIMIT);
            } else if (merged.get(LIMITS) != null) {
                var ofFirst = JSON.createObjectNode();
                for (var field : OF_ONE_LIMIT) {
                    if (named.has(field)) ofFirst.set(field, named.remove(field));
                }
                change((ObjectNode) merged.get(LIMITS).get(0), ofFirst);
            }
            if (named.get(HOLDS) instanceof ObjectNode changes && merged.get(HOLDS) instanceof ObjectNode before) {
                named.remove(HOLDS);
                change(before, changes);
            }
            change(merged, named);
            return PolicyJson.parse(JSON.writeValueAsBytes(merged));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }

    private static void change(ObjectNode policy, ObjectNode changes) {
        if (changes.hasNonNull("refill_rate")) policy.remove(List.of("period", "zone"));
        if (changes.hasNonNull("period")) policy.remove("refill_rate");
        changes.properties().forEach(field -> {
            if (field.getValue().isNull()) policy.remove(field.getKey());
            else policy.set(field.getKey(), field.getValue());
        });
    }
}
