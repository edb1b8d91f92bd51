package io.tollgate.verify;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The result of the checker.
 *
 * @param figures by name, in their order on the page; numbers only
 * @param violationCounts the number of all violations, also of those not in {@code violations}
 * @param violations the first of each kind
 * @param agents those decided locally for longest, then those with most decisions
 * @param notes limits of the verdict
 */
@JsonPropertyOrder("clean")
public record CheckReport(
        Map<String, Number> figures,
        Map<Invariant, Long> violationCounts,
        List<Violation> violations,
        List<AgentFigures> agents,
        List<String> notes) {

    /** Decisions about one agent; {@code overdraftTokens} is the most that was approved above capacity and refill. */
    public record AgentFigures(
            String agentId,
            long decisions,
            long byRedis,
            long byLocal,
            double localSeconds,
            double longestGapSeconds,
            double overdraftTokens) {}

    /** Returns the report with the number of records behind an open transaction, which nobody can read yet. */
    CheckReport withUnreadable(long records) {
        var more = new LinkedHashMap<>(figures);
        more.put("behind_open_transactions", records);
        if (records == 0) return new CheckReport(more, violationCounts, violations, agents, notes);
        var said = new ArrayList<>(notes);
        said.add(records + " records of the requests topic stand behind an open transaction: nobody can read them yet");
        return new CheckReport(more, violationCounts, violations, agents, said);
    }

    @JsonProperty
    public boolean clean() {
        return violationCounts.isEmpty();
    }
}
