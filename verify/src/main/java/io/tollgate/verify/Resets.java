package io.tollgate.verify;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The resets of buckets, from the events {@code bucket_reset}. */
final class Resets {
    private static final JsonMapper JSON = new JsonMapper();

    /**
     * A bucket was reset.
     *
     * @param atMicros before every decision of this microsecond
     * @param policy the policy whose limits were full; empty if the event does not say
     */
    record Reset(long atMicros, String policy) {}

    private final Map<String, List<Reset>> byAgent = new HashMap<>();

    /** Adds a reset, given by the value of its event; ignores other events. */
    void add(byte @Nullable [] event) {
        if (event == null) return;
        try {
            JsonNode json = JSON.readTree(event);
            JsonNode at = json.path("at");
            if (!json.path("event").asText().equals("bucket_reset") || !at.isIntegralNumber()) return;
            byAgent.computeIfAbsent(json.path("agent_id").asText(), agent -> new ArrayList<>())
                    .add(new Reset(at.longValue(), json.path("policy").asText()));
        } catch (IOException malformed) {
            // not an event: credits nothing
        }
    }

    /** Returns the agent's resets, the earliest first. */
    List<Reset> of(String agentId) {
        return byAgent.getOrDefault(agentId, List.of()).stream()
                .sorted(Comparator.comparingLong(Reset::atMicros))
                .toList();
    }

    /** Returns whether one more of these has happened by then, after the first {@code seen}. */
    static boolean isBefore(List<Reset> resets, int seen, long nowMicros) {
        return seen < resets.size() && resets.get(seen).atMicros() <= nowMicros;
    }

    int size() {
        return byAgent.values().stream().mapToInt(List::size).sum();
    }
}
