package io.tollgate.history;

/**
 * One decision, as much of it as replaying needs. Immutable; many are in memory at a time.
 *
 * @param outputOffset orders decisions of one agent and one outcome
 * @param verdict of a shadow policy: what it would have decided
 * @param policy as {@code quota-policy} says it
 * @param limit which of several refused; empty if there is only one, or none did
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
    /** Returns whether the request went nowhere. */
    boolean refused() {
        return verdict != Verdict.APPROVED && !shadow;
    }

    /** By time; what was decided at one moment stands together by agent, in the order of its source. */
    @Override
    public int compareTo(PastDecision other) {
        int order = Long.compare(decidedAtMicros, other.decidedAtMicros);
        if (order == 0) order = Integer.compare(agent.number(), other.agent.number());
        if (order == 0) order = Integer.compare(sourcePartition, other.sourcePartition);
        return order != 0 ? order : Long.compare(sourceOffset, other.sourceOffset);
    }
}
