package io.tollgate.policy;

import java.time.Instant;
import java.util.Optional;

/**
 * One record that the policies topic still holds. Immutable.
 *
 * @param name as the header {@code quota-policy} says it
 * @param when the record's timestamp
 * @param changedBy its author according to the header {@code changed-by}, which anybody can write
 * @param stored its contents; empty: it deletes
 */
public record PolicyChange(String name, Instant when, Optional<String> changedBy, Optional<StoredPolicy> stored) {
    /** Returns the policy that applies; empty if there is none, or it cannot be read. */
    public Optional<PolicyDocument> document() {
        return stored.flatMap(StoredPolicy::good).map(StoredPolicy.Good::document);
    }

    /** Returns the state of the key after a later record. */
    PolicyChange followedBy(PolicyChange later) {
        return new PolicyChange(
                later.name,
                later.when,
                later.changedBy,
                later.stored.map(
                        next -> stored.map(before -> before.followedBy(next)).orElse(next)));
    }
}
