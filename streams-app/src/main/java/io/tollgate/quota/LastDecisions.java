package io.tollgate.quota;

import java.util.ArrayDeque;
import java.util.List;

/** The newest decisions of one agent. For one stream thread alone. */
final class LastDecisions {
    private static final int MOST = 16;

    private final ArrayDeque<RecentDecision> newestFirst = new ArrayDeque<>(MOST + 1);
    private String owner = "";
    private boolean seenLately;

    /** Returns whether these still belong to this agent. */
    boolean isOf(String agentId) {
        return owner.equals(agentId);
    }

    /** Clears the decisions, and assigns them to this agent. */
    void begin(String agentId) {
        owner = agentId;
        newestFirst.clear();
    }

    /** Returns whether a decision was noted since the last call of this. */
    boolean wasSeenLately() {
        boolean seen = seenLately;
        seenLately = false;
        return seen;
    }

    void add(RecentDecision decision) {
        seenLately = true;
        newestFirst.addFirst(decision);
        if (newestFirst.size() > MOST) newestFirst.removeLast();
    }

    List<RecentDecision> newestFirst() {
        return List.copyOf(newestFirst);
    }
}
