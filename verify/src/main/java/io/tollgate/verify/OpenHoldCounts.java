package io.tollgate.verify;

import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;

import io.tollgate.verify.Holds.OpenedHold;
import io.tollgate.verify.Holds.Statement;
import io.tollgate.verify.PromisedTerms.PromisedHolds;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/** Checks an agent's number of open holds against its policy. Not thread-safe. */
final class OpenHoldCounts {
    /** A refusal because too many holds were open. */
    private record Crowded(String where, String agentId, String policy, long atMicros) {}

    private final PolicyRecords policies;
    private final Violations violations;
    private final List<Crowded> crowded = new ArrayList<>();

    OpenHoldCounts(PolicyRecords policies, Violations violations) {
        this.policies = policies;
        this.violations = violations;
    }

    /** Adds a refusal because too many holds were open. */
    void crowded(String where, String agentId, DecisionHeaders headers) {
        crowded.add(new Crowded(where, agentId, headers.policy(agentId), headers.decidedAtMicros()));
    }

    /**
     * Checks all holds and their ends, both by the hold's name.
     *
     * @param complete whether no approval is missing for want of reading
     */
    void check(Map<String, OpenedHold> holds, Map<String, Statement> ends, boolean complete) {
        Map<String, AgentHolds> byAgent = new HashMap<>();
        holds.forEach((name, hold) -> {
            AgentHolds theirs = byAgent.computeIfAbsent(hold.agentId(), id -> new AgentHolds());
            theirs.opened.add(hold);
            Statement end = ends.get(name);
            if (end != null) theirs.endedMicros.add(end.atMicros());
        });
        byAgent.values().forEach(AgentHolds::sort);
        byAgent.forEach(this::checkConcurrency);
        if (!complete) return;
        for (Crowded one : crowded) checkCrowded(one, byAgent.getOrDefault(one.agentId(), new AgentHolds()));
    }

    /** One agent's holds in the order of their openings, and the times of all ends in their order. */
    private static final class AgentHolds {
        private final List<OpenedHold> opened = new ArrayList<>();
        private final List<Long> endedMicros = new ArrayList<>();

        private void sort() {
            opened.sort(Comparator.comparingLong(OpenedHold::openedMicros));
            endedMicros.sort(null);
        }

        /** Returns how many may have been open at a time. */
        private int mayBeOpen(long atMicros) {
            return countUntil(opened, OpenedHold::openedMicros, atMicros + Holds.GRACE_MICROS)
                    - countUntil(endedMicros, end -> end, atMicros - Holds.GRACE_MICROS - 1);
        }

        /** Returns how many of these, in order, are not later than the last time; by bisection, for millions of holds. */
        private static <T> int countUntil(List<T> sorted, ToLongFunction<T> time, long lastMicros) {
            int from = 0;
            int to = sorted.size();
            while (from < to) {
                int middle = (from + to) >>> 1;
                if (time.applyAsLong(sorted.get(middle)) <= lastMicros) from = middle + 1;
                else to = middle;
            }
            return from;
        }
    }

    /** Never are more holds open than the policy allows. */
    private void checkConcurrency(String agentId, AgentHolds theirs) {
        int gone = 0;
        for (int i = 0; i < theirs.opened.size(); i++) {
            OpenedHold hold = theirs.opened.get(i);
            // An end counts from the earliest moment at which it may have happened.
            while (gone < theirs.endedMicros.size()
                    && theirs.endedMicros.get(gone) - Holds.GRACE_MICROS <= hold.openedMicros()) gone++;
            PromisedTerms terms = policies.terms(hold.policy(), hold.openedMicros());
            if (terms == null || i + 1 - gone <= terms.holds().maxOpen()) continue;
            violations.add(
                    NO_OVER_ADMISSION,
                    hold.where(),
                    "is one of " + (i + 1 - gone) + " holds of agent \"" + Text.shorten(agentId)
                            + "\" open at once, but max_open is "
                            + terms.holds().maxOpen());
            return;
        }
    }

    private void checkCrowded(Crowded one, AgentHolds theirs) {
        PromisedTerms terms = policies.terms(one.policy(), one.atMicros());
        if (terms == null) return;
        PromisedHolds rules = terms.holds();
        int mayBeOpen = theirs.mayBeOpen(one.atMicros());
        if (mayBeOpen < rules.maxOpen())
            violations.add(
                    NO_FALSE_REFUSALS,
                    one.where(),
                    "says that " + rules.maxOpen() + " holds are open, but at most " + mayBeOpen + " are");
    }
}
