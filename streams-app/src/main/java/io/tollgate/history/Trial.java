package io.tollgate.history;

import io.tollgate.bucket.Limit;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** The policies on trial. Other keys keep their policies, unless they are to be deleted. Not thread-safe. */
final class Trial {
    private static final String ANY = "*";
    private static final int DEFAULT = -1;

    private final Policies policies;
    private final Set<String> keys;
    private final boolean othersDeleted;

    /** @param othersDeleted whether all other agents fall back to the default */
    Trial(Map<String, PolicyDocument> tried, boolean othersDeleted, Limit byDefault) {
        this.policies = new Policies(Policy.byDefault(byDefault), () -> {});
        this.keys = new HashSet<>(tried.keySet());
        this.othersDeleted = othersDeleted;
        long offset = 0;
        for (var entry : tried.entrySet()) {
            policies.apply(
                    0,
                    offset++,
                    0,
                    entry.getKey().getBytes(StandardCharsets.UTF_8),
                    PolicyJson.write(entry.getValue()));
        }
    }

    /**
     * Returns the policy on trial for the agent, if any. Whether it takes precedence over the one in force, {@link
     * #goesBefore} tells.
     */
    Policy of(String agentId) {
        return policies.of(agentId);
    }

    /** Returns whether the policy on trial replaces the policy that the header names. */
    boolean goesBefore(String agentId, String header) {
        return othersDeleted || rank(agentId) >= rank(agentId, header) && rank(agentId) > DEFAULT;
    }

    /** Returns whether a policy on trial may apply to the agent. */
    boolean concerns(String agentId) {
        return othersDeleted || rank(agentId) > DEFAULT;
    }

    private int rank(String agentId) {
        if (keys.contains(agentId)) return Integer.MAX_VALUE;
        for (int length = agentId.length(); length >= 0; length--) {
            if (keys.contains(agentId.substring(0, length) + ANY)) return length;
        }
        return DEFAULT;
    }

    private static int rank(String agentId, String header) {
        if (header.equals(Policy.DEFAULT) || header.lastIndexOf('@') < 0) return DEFAULT;
        var key = header.substring(0, header.lastIndexOf('@'));
        return key.equals(agentId) ? Integer.MAX_VALUE : key.length() - ANY.length();
    }
}
