package io.tollgate.policy;

import io.tollgate.bucket.Limit;

/**
 * What an agent was promised, and by whom.
 *
 * @param name what the header {@code quota-policy} says: {@code default}
 */
public record Policy(String name, Limit limit) {
    /** Returns the policy of agents that have no other. */
    public static Policy byDefault(Limit limit) {
        return new Policy("default", limit);
    }
}
