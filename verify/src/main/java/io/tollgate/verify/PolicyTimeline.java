package io.tollgate.verify;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Tells whether a policy applied to an agent at a time, which excludes decisions by another one, or by the default.
 *
 * <p>Knows only what is certain: a policy that may have been refused, or was compacted away, makes no violation.
 * Not thread-safe.
 */
final class PolicyTimeline {
    /** The most by which a policy may be seen late, or clocks may differ. */
    static final long GRACE_MICROS = 10_000_000;

    private static final double MOST_TOKENS = 1e12;
    private static final String ANY = "*";
    private static final int MOST_LIMITS = 8;
    private static final int LONGEST_NOTE = 1000;
    private static final Set<String> FIELDS_OF_ONE =
            Set.of("capacity", "refill_rate", "period", "zone", "mode", "note");
    private static final Set<String> FIELDS_OF_SEVERAL = Set.of("limits", "mode", "note");
    private static final Set<String> FIELDS_OF_A_LIMIT = Set.of("name", "capacity", "refill_rate", "period", "zone");
    private static final String NAME = "[a-z0-9][a-z0-9_-]{0,63}";
    private static final Set<String> MODES = Set.of("enforce", "shadow", "off");
    static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .build();

    /**
     * One change of a key.
     *
     * @param stands whether the key certainly has a policy
     * @param offset of the record; -1: it may have been refused
     */
    private record State(boolean stands, long offset) {}

    /** By key, then by the time from which it counts. */
    private final Map<String, TreeMap<Long, State>> byKey = new HashMap<>();

    private final Map<Integer, Long> latestMicros = new HashMap<>();

    void add(TopicRecord policy) {
        if (policy.key() == null) return;
        // It was written after all records before it, whatever its timestamp says.
        long micros = latestMicros.merge(policy.partition(), policy.timestampMillis() * 1000, Math::max);
        var states = byKey.computeIfAbsent(new String(policy.key(), StandardCharsets.UTF_8), key -> new TreeMap<>());
        boolean stoodBefore = !states.isEmpty() && states.lastEntry().getValue().stands();
        boolean certain = policy.value() == null || isCertain(policy.value());
        // A refused policy leaves the one before it in force.
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

    /**
     * Returns the key of a policy that applied to the agent for a while before that time and at it; null if none is
     * known.
     */
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

    /** Returns whether no pipeline refuses this policy. Nothing is certain about one that is not plain. */
    static boolean isCertain(byte[] value) {
        try {
            JsonNode policy = JSON.readTree(value);
            boolean several = policy.has("limits");
            return hasOnly(policy, several ? FIELDS_OF_SEVERAL : FIELDS_OF_ONE)
                    && (several ? areLimits(policy.path("limits")) : isLimit(policy))
                    && (!policy.has("mode")
                            || MODES.contains(policy.path("mode").asText()))
                    && (!policy.has("note") || isNote(policy.path("note")));
        } catch (IOException malformed) {
            return false;
        }
    }

    private static boolean hasOnly(JsonNode object, Set<String> known) {
        for (var fields = object.fieldNames(); fields.hasNext(); ) if (!known.contains(fields.next())) return false;
        return object.isObject();
    }

    private static boolean areLimits(JsonNode limits) {
        var names = new HashSet<String>();
        for (JsonNode limit : limits) {
            String name = limit.path("name").asText();
            if (!hasOnly(limit, FIELDS_OF_A_LIMIT) || !isLimit(limit) || !name.matches(NAME) || !names.add(name))
                return false;
        }
        return limits.isArray() && !names.isEmpty() && names.size() <= MOST_LIMITS;
    }

    private static boolean isLimit(JsonNode limit) {
        double capacity = limit.path("capacity").asDouble(-1);
        return limit.path("capacity").isNumber()
                && capacity > 0
                && capacity <= MOST_TOKENS
                && (limit.has("period") ? hasPeriod(limit) : hasRate(limit));
    }

    private static boolean hasRate(JsonNode limit) {
        double rate = limit.path("refill_rate").asDouble(-1);
        return limit.path("refill_rate").isNumber() && rate >= 0 && rate <= MOST_TOKENS && !limit.has("zone");
    }

    private static boolean hasPeriod(JsonNode limit) {
        JsonNode zone = limit.path("zone");
        return !limit.has("refill_rate")
                && limit.path("period").isTextual()
                && zone.isTextual() == limit.has("zone")
                && PeriodStarts.of(limit.path("period").asText(), zone.asText("UTC")) != null;
    }

    private static boolean isNote(JsonNode note) {
        return note.isTextual()
                && note.textValue().length() <= LONGEST_NOTE
                && note.textValue().chars().noneMatch(c -> Character.isSurrogate((char) c));
    }
}
