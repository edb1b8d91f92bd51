package io.tollgate.history;

import io.tollgate.policy.PolicyChange;
import java.util.List;
import java.util.Optional;

/**
 * One decision, and what the topics tell around it. Immutable.
 *
 * @param costTokens what the request asked for
 * @param before tokens in the bucket before it; after it, the record says what was left. Empty where there was no bucket, or several, of
 *     which records tell only one
 * @param decidedBy the change that made the policy which decided; empty if that was the default, or is not on the topic any more
 * @param history what the topic of policies holds under that policy's key, oldest first
 * @param next the agent's next decisions, the earliest first: a few, and the first one that went the other way
 * @param alike how many more decisions have the same request id and are about as old
 */
public record Explanation(
        DecidedRecord decided,
        double costTokens,
        Optional<Double> before,
        Optional<PolicyChange> decidedBy,
        List<PolicyChange> history,
        List<DecidedRecord> next,
        int alike) {}
