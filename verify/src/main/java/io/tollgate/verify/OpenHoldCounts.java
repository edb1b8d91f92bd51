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
import org.jspecify.annotations.Nullable;

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
        checkConcurrency(holds, ends);
        if (complete) for (Crowded one : crowded) checkCrowded(one, holds, ends);
    }

    /** Never are more holds open than the policy allows. */
    private void checkConcurrency(Map<String, OpenedHold> holds, Map<String, Statement> ends) {
        Map<String, List<Map.Entry<String, OpenedHold>>> byAgent = new HashMap<>();
        for (var entry : holds.entrySet())
            byAgent.computeIfAbsent(entry.getValue().agentId(), id -> new ArrayList<>())
                    .add(entry);
        byAgent.forEach((agentId, theirs) -> {
            theirs.sort(Comparator.comparingLong(entry -> entry.getValue().openedMicros()));
            long[] ended = theirs.stream()
                    .mapToLong(entry -> certainEnd(ends.get(entry.getKey())))
                    .sorted()
                    .toArray();
            int gone = 0;
            for (int i = 0; i < theirs.size(); i++) {
                OpenedHold hold = theirs.get(i).getValue();
                while (gone < ended.length && ended[gone] <= hold.openedMicros()) gone++;
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
        });
    }

    /** Returns the earliest moment at which the hold may have ended. */
    private static long certainEnd(@Nullable Statement end) {
        return end == null ? Long.MAX_VALUE : end.atMicros() - Holds.GRACE_MICROS;
    }

    private void checkCrowded(Crowded one, Map<String, OpenedHold> holds, Map<String, Statement> ends) {
        PromisedTerms terms = policies.terms(one.policy(), one.atMicros());
        if (terms == null) return;
        PromisedHolds rules = terms.holds();
        long mayBeOpen = holds.entrySet().stream()
                .filter(entry -> entry.getValue().agentId().equals(one.agentId()))
                .filter(entry -> entry.getValue().openedMicros() <= one.atMicros() + Holds.GRACE_MICROS)
                .filter(entry -> {
                    Statement end = ends.get(entry.getKey());
                    return end == null || end.atMicros() + Holds.GRACE_MICROS >= one.atMicros();
                })
                .count();
        if (mayBeOpen < rules.maxOpen())
            violations.add(
                    NO_FALSE_REFUSALS,
                    one.where(),
                    "says that " + rules.maxOpen() + " holds are open, but at most " + mayBeOpen + " are");
    }
}
