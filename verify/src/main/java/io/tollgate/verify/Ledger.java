package io.tollgate.verify;

import io.tollgate.verify.PromisedTerms.PromisedLimit;

/**
 * Follows one bucket in Redis from decision to decision, to find tokens that vanished without an approval.
 *
 * <p>Decisions at the same microsecond count as one step, because their order is not known from the topics.
 */
final class Ledger {
    private final PromisedLimit limit;
    private long lastMicros;
    private double lastRemaining;
    private double covered;
    private double missing;

    /** Begins with a step after which {@code remaining} tokens are left. */
    Ledger(PromisedLimit limit, long nowMicros, double remaining) {
        this.limit = limit;
        this.lastMicros = nowMicros;
        this.lastRemaining = remaining;
        this.covered = remaining;
    }

    /**
     * Advances by a step.
     *
     * @param approvedTokens the tokens approved in it
     * @param remaining the tokens left according to the pipeline
     */
    void step(long nowMicros, double approvedTokens, double remaining) {
        double gained = limit.gainedTokens(lastMicros, nowMicros);
        double drop = Math.min(limit.capacityTokens(), lastRemaining + gained) - approvedTokens - remaining;
        // Decisions repeated after a crash show what is left after all of them: a drop at the first, which the others
        // make good because they cost nothing more. What is not made good was charged twice, or by other programs.
        if (Math.abs(drop) > margin()) missing = Math.max(0, missing + drop);
        covered = Math.min(limit.capacityTokens(), covered + gained) - approvedTokens;
        if (Math.abs(covered - remaining) <= margin()) covered = remaining;
        lastMicros = nowMicros;
        lastRemaining = remaining;
    }

    /** Returns the tokens that vanished without an approval since the beginning. */
    double missingTokens() {
        return missing > margin() ? missing : 0;
    }

    /** Returns whether arithmetic alone covers {@code costTokens} after the last step, with margin. */
    boolean covers(double costTokens) {
        return covered - margin() >= costTokens;
    }

    /** Returns the tokens that arithmetic alone leaves after the last step. */
    double coveredTokens() {
        return covered;
    }

    private double margin() {
        return limit.slackTokens() + limit.toleranceTokens() + 0.001;
    }
}
