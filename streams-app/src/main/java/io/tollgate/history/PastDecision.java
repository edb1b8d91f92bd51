package io.tollgate.history;

/**
 * The part of a decision that replaying needs. Immutable; many are in memory at a time.
 *
 * @param outputOffset orders decisions of one agent and one outcome
 * @param verdict the verdict; of a shadow policy the one it would have given
 * @param policy the value of {@code quota-policy}
 * @param limit the limit that refused, of several; empty if there is only one, or none refused
 */
record PastDecision(
        AgentReplay agent,
        long decidedAtMicros,
        double costTokens,
        double remainingTokens,
        int sourcePartition,
        long sourceOffset,
        long outputOffset,
        Verdict verdict,
        boolean shadow,
        boolean local,
        String policy,
        String limit)
        implements Comparable<PastDecision> {
    /** Returns whether the request was refused. */
    boolean refused() {
        return verdict != Verdict.APPROVED && !shadow;
    }

    /** Orders by time; decisions of one moment are grouped by agent, in the order of their source. */
    @Override
    public int compareTo(PastDecision other) {
        int order = Long.compare(decidedAtMicros, other.decidedAtMicros);
        if (order == 0) order = Integer.compare(agent.number(), other.agent.number());
        if (order == 0) order = Integer.compare(sourcePartition, other.sourcePartition);
        return order != 0 ? order : Long.compare(sourceOffset, other.sourceOffset);
    }
}
