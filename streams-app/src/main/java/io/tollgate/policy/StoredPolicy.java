package io.tollgate.policy;

import io.tollgate.bucket.AgentId;
import java.util.Optional;

/**
 * The state of one key on the policies topic. Immutable.
 *
 * @param agentId or {@code *}
 * @param good the last valid policy: the one that applies
 * @param ignored a later invalid record, if there is any
 */
public record StoredPolicy(String agentId, Optional<Good> good, Optional<Ignored> ignored) {
    /** @param name as the header {@code quota-policy} says it */
    public record Good(String name, PolicyDocument document) {}

    /** @param mistake one line that names the field and the rule */
    public record Ignored(String name, String mistake) {}

    static StoredPolicy of(String agentId, String name, byte[] json) {
        var broken = AgentId.brokenRule(agentId);
        if (broken.isPresent()) return ignored(agentId, name, "the key " + broken.get());
        try {
            return new StoredPolicy(agentId, Optional.of(new Good(name, PolicyJson.parse(json))), Optional.empty());
        } catch (InvalidPolicyException invalid) {
            return ignored(agentId, name, String.valueOf(invalid.getMessage()));
        }
    }

    private static StoredPolicy ignored(String agentId, String name, String mistake) {
        return new StoredPolicy(agentId, Optional.empty(), Optional.of(new Ignored(name, mistake)));
    }

    /** Returns the state of the key after a later record: an invalid policy never replaces a valid one. */
    public StoredPolicy followedBy(StoredPolicy later) {
        return new StoredPolicy(agentId, later.good.or(() -> good), later.ignored);
    }
}
