package io.tollgate.verify;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the checker found.
 *
 * @param figures by name, in the order in which to show them; numbers only
 * @param violationCounts all violations, also those that are not in {@code violations}
 * @param violations the first of each kind
 * @param agents those that were decided locally the longest, then those with most decisions
 * @param notes what limits how far the verdict reaches
 */
public record CheckReport(
        Map<String, Number> figures,
        Map<Invariant, Long> violationCounts,
        List<Violation> violations,
        List<AgentFigures> agents,
        List<String> notes) {

    /** Decisions of one agent; {@code overdraftTokens} is what was approved above capacity and refill, at worst. */
    public record AgentFigures(
            String agentId,
            long decisions,
            long byRedis,
            long byLocal,
            double localSeconds,
            double longestGapSeconds,
            double overdraftTokens) {}

    /** Returns the report with the number of records that nobody can read before a producer ends its transaction. */
    CheckReport withUnreadable(long records) {
        var more = new LinkedHashMap<>(figures);
        more.put("behind_open_transactions", records);
        if (records == 0) return new CheckReport(more, violationCounts, violations, agents, notes);
        var said = new ArrayList<>(notes);
        said.add(records + " records of the requests' topic stand behind a transaction that its producer has not ended:"
                + " nobody reads them before");
        return new CheckReport(more, violationCounts, violations, agents, said);
    }

    public boolean clean() {
        return violationCounts.isEmpty();
    }
}
