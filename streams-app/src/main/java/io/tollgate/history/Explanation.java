package io.tollgate.history;

import io.tollgate.policy.PolicyChange;
import java.util.List;
import java.util.Optional;

/**
 * One decision with its context from the topics. Immutable.
 *
 * @param costTokens the cost of the request
 * @param before the tokens in the bucket before the decision; the record holds the remainder after it. Empty without a
 *     bucket, or with several, since records describe only one
 * @param decidedBy the record that set the deciding policy; empty for the default, or if the record is no longer on
 *     the topic
 * @param history all records under that policy's key, oldest first
 * @param next a few of the agent's next decisions, the earliest first, up to the first with another outcome
 * @param settlement the record that ended the hold it opened; empty if there is none, or the hold is open
 * @param alike the number of other decisions with the same request id and about the same age
 */
public record Explanation(
        DecidedRecord decided,
        double costTokens,
        Optional<Double> before,
        Optional<PolicyChange> decidedBy,
        List<PolicyChange> history,
        List<DecidedRecord> next,
        Optional<EndOfHold> settlement,
        int alike) {
    /**
     * What became of a hold. Immutable.
     *
     * @param outcome {@code settled} or {@code expired}
     * @param atMicros microseconds since the epoch on the bucket's clock
     */
    public record EndOfHold(String outcome, double usedTokens, double refundedTokens, long atMicros) {}
}
