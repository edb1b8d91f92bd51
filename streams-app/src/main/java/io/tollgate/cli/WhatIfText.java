package io.tollgate.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.history.Figures;
import io.tollgate.history.WhatIf;
import io.tollgate.route.Decimal;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** The result of a replay, as {@code tollgate whatif} shows it. */
final class WhatIfText {
    private static final String UNKNOWN =
            "This cannot know how refused agents would have behaved: they might have waited, asked again, or asked for less.";
    private static final JsonMapper JSON = new JsonMapper();

    private WhatIfText() {}

    static String of(WhatIf.Report report) {
        var lines = new ArrayList<String>();
        var all = report.all();
        lines.add(all.requests() + " requests of " + report.agents() + " agents from "
                + report.since().truncatedTo(ChronoUnit.SECONDS) + " to "
                + report.until().truncatedTo(ChronoUnit.SECONDS));
        lines.add("Under the policies that were in force, " + report.reproduced() + " of " + all.requests()
                + " verdicts match the record"
                + (report.missed().isEmpty() ? "." : ", the others do not:"));
        for (var missed : report.missed())
            lines.add("  " + missed.requests() + ": " + missed.reason() + " (such as " + missed.example() + ")");
        lines.add("");
        var rows = new ArrayList<List<String>>();
        rows.add(List.of(
                "AGENT",
                "REQUESTS",
                "REFUSED BEFORE",
                "REFUSED THEN",
                "FIRST TIME WITHOUT APPROVAL",
                "LONGEST",
                "TOKENS SAVED"));
        rows.add(row("all", all));
        for (var agent : report.changed()) rows.add(row(PolicyText.line(agent.agentId()), agent.figures()));
        lines.add(Table.of(rows));
        if (report.changed().isEmpty()) lines.add("No decision would have changed.");
        if (all.before().shadowRefused() + all.then().shadowRefused() > 0)
            lines.add("Shadow policies would have refused " + all.before().shadowRefused() + " before and "
                    + all.then().shadowRefused() + " then: those count as approved.");
        lines.add("");
        lines.add(UNKNOWN);
        return String.join(System.lineSeparator(), lines);
    }

    private static List<String> row(String name, Figures figures) {
        var then = figures.then();
        return List.of(
                name,
                Long.toString(figures.requests()),
                Long.toString(figures.before().refused()),
                Long.toString(then.refused()),
                then.firstMicros() < 0
                        ? "-"
                        : instant(then.firstMicros()).truncatedTo(ChronoUnit.MILLIS) + " for "
                                + seconds(then.firstSeconds()),
                then.firstMicros() < 0 ? "-" : seconds(then.longestSeconds()),
                Decimal.text(rounded(figures.savedTokens())));
    }

    private static String seconds(double seconds) {
        return DurationText.of(Duration.ofMillis(Math.round(seconds * 1000)));
    }

    /** Sums of tokens, to the thousandth. */
    private static double rounded(double tokens) {
        return Math.rint(tokens * 1000) / 1000;
    }

    private static Instant instant(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    static String json(WhatIf.Report report) {
        var node = JSON.createObjectNode()
                .put("since", report.since().toString())
                .put("until", report.until().toString())
                .put("agents", report.agents());
        var reproduced = node.putObject("in_force").put("requests", report.all().requests());
        reproduced.put("reproduced", report.reproduced());
        var missed = reproduced.putArray("not_reproduced");
        report.missed()
                .forEach(why -> missed.addObject()
                        .put("requests", why.requests())
                        .put("reason", why.reason())
                        .put("example", why.example()));
        add(node.putObject("all"), report.all());
        var changed = node.putArray("changed_agents");
        report.changed().forEach(agent -> add(changed.addObject().put("agent_id", agent.agentId()), agent.figures()));
        node.put("cannot_know", UNKNOWN);
        return PolicyView.print(node);
    }

    private static void add(ObjectNode node, Figures figures) {
        node.put("requests", figures.requests())
                .put("changed", figures.changed())
                .put("refused_before", figures.before().refused())
                .put("refused_then", figures.then().refused())
                .put("shadow_refused_before", figures.before().shadowRefused())
                .put("shadow_refused_then", figures.then().shadowRefused())
                .put("tokens_saved", new BigDecimal(Decimal.text(rounded(figures.savedTokens()))));
        add(node.putObject("without_approval_before"), figures.before());
        add(node.putObject("without_approval_then"), figures.then());
    }

    private static void add(ObjectNode node, Figures.Side side) {
        boolean any = side.firstMicros() >= 0;
        node.put("first_at", any ? instant(side.firstMicros()).toString() : null)
                .put("first_seconds", side.firstSeconds())
                .put("longest_seconds", side.longestSeconds());
    }
}
