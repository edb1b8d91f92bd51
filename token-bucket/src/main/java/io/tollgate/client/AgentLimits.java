package io.tollgate.client;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Limit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Finds the limit of an agent: that of the longest prefix of its id. Immutable. */
final class AgentLimits {
    private final List<Map.Entry<String, Limit>> byPrefix; // the longest first

    /** @param byPrefix limits by prefix; the empty prefix is for everybody */
    AgentLimits(Map<String, Limit> byPrefix) {
        this.byPrefix = byPrefix.entrySet().stream()
                .sorted(Comparator.comparingInt(entry -> -entry.getKey().length()))
                .map(entry -> Map.entry(entry.getKey(), entry.getValue()))
                .toList();
    }

    /** @throws IllegalArgumentException if the id breaks its rule, or has no limit */
    Limit of(String agentId) {
        for (var entry : byPrefix) if (agentId.startsWith(entry.getKey())) return entry.getValue();
        throw new IllegalArgumentException("there is no limit for the agent \"" + AgentId.require(agentId)
                + "\": give the builder one for everybody, or for a prefix of this id");
    }
}
