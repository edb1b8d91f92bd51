package io.tollgate.policy;

import java.time.Instant;
import java.util.Optional;

/**
 * One record that the topic of policies still holds. Immutable.
 *
 * @param name as the header {@code quota-policy} says it
 * @param when the record's timestamp
 * @param changedBy who wrote it, as the header {@code changed-by} says: anybody can write that
 * @param stored what it says; empty: it deletes
 */
public record PolicyChange(String name, Instant when, Optional<String> changedBy, Optional<StoredPolicy> stored) {
    /** Returns what stands there after a later record under the same key that does not delete. */
    PolicyChange followedBy(PolicyChange later) {
        return new PolicyChange(
                later.name,
                later.when,
                later.changedBy,
                later.stored.map(
                        next -> stored.map(before -> before.followedBy(next)).orElse(next)));
    }
}
