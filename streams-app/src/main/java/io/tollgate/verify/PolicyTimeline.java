package io.tollgate.verify;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Says whether a policy applied to an agent at a time, so that no decision by another one, or by the default, may have been made.
 *
 * <p>Knows only what is certain: a policy that may have been refused, or was compacted away, is held against nobody. Not thread-safe.
 */
final class PolicyTimeline {
    /** By how much a policy may be seen late, or clocks may differ. */
    static final long GRACE_MICROS = 10_000_000;

    private static final double MOST_TOKENS = 1e12;
    private static final String ANY = "*";
    private static final Set<String> PLAIN_FIELDS = Set.of("capacity", "refill_rate", "mode");
    private static final Set<String> MODES = Set.of("enforce", "shadow", "off");
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .build();

    /**
     * What became of a key.
     *
     * @param stands whether a policy is certain to stand there
     * @param offset of the record; -1: it may have been refused
     */
    private record State(boolean stands, long offset) {}

    /** By key, by the time from which it is so. */
    private final Map<String, TreeMap<Long, State>> byKey = new HashMap<>();

    private final Map<Integer, Long> latestMicros = new HashMap<>();

    void add(PolicyRecord policy) {
        if (policy.key() == null) return;
        // Written after all that stands before it, whatever its timestamp says.
        long micros = latestMicros.merge(policy.partition(), policy.timestampMillis() * 1000, Math::max);
        var states = byKey.computeIfAbsent(new String(policy.key(), StandardCharsets.UTF_8), key -> new TreeMap<>());
        boolean stoodBefore = !states.isEmpty() && states.lastEntry().getValue().stands();
        boolean certain = policy.value() == null || isCertain(policy.value());
        // One that is refused leaves the one before it in force.
        boolean stands = policy.value() != null && (stoodBefore || certain);
        states.put(micros, new State(stands, certain ? policy.offset() : -1));
    }

    /**
     * Returns why a policy cannot have applied to the agent at that time; null if nothing is known against it.
     *
     * @param key of the policy; null: the default
     * @param offset of its record
     */
    @Nullable
    String objection(String agentId, @Nullable String key, long offset, long atMicros) {
        String applied = applied(agentId, atMicros);
        var keys = keys(agentId);
        if (applied != null && (key == null || keys.indexOf(applied) < keys.indexOf(key)))
            return "although the policy " + Text.shorten(applied) + " had long been there";
        var states = key == null ? null : byKey.get(key);
        if (states == null) return null;
        boolean replaced = states.headMap(atMicros - GRACE_MICROS, true).values().stream()
                .anyMatch(state -> state.offset() > offset);
        return replaced ? "although it had long been replaced or deleted" : null;
    }

    /** Returns the key of a policy that applied to the agent for a while before that time and at it; null if none is known. */
    private @Nullable String applied(String agentId, long atMicros) {
        for (String key : keys(agentId)) {
            var states = byKey.get(key);
            if (states == null) continue;
            var before = states.floorEntry(atMicros - GRACE_MICROS);
            if (before == null || !before.getValue().stands()) continue;
            var since = states.subMap(atMicros - GRACE_MICROS, false, atMicros + GRACE_MICROS, true);
            if (since.values().stream().allMatch(State::stands)) return key;
        }
        return null;
    }

    static List<String> keys(String agentId) {
        var keys = new ArrayList<String>();
        keys.add(agentId);
        for (int length = agentId.length(); length >= 0; length--) keys.add(agentId.substring(0, length) + ANY);
        return keys;
    }

    /** Whether this is a policy in its plain form, which no pipeline refuses. */
    static boolean isCertain(byte[] value) {
        try {
            JsonNode policy = JSON.readTree(value);
            for (var fields = policy.fieldNames(); fields.hasNext(); ) {
                if (!PLAIN_FIELDS.contains(fields.next())) return false;
            }
            double capacity = policy.path("capacity").asDouble(-1);
            double rate = policy.path("refill_rate").asDouble(-1);
            return policy.path("capacity").isNumber()
                    && policy.path("refill_rate").isNumber()
                    && capacity > 0
                    && capacity <= MOST_TOKENS
                    && rate >= 0
                    && rate <= MOST_TOKENS
                    && (!policy.has("mode")
                            || MODES.contains(policy.path("mode").asText()));
        } catch (IOException malformed) {
            return false;
        }
    }
}
