package io.tollgate.sandbox;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The summary of the sandbox's traffic, for readers who see it for the first time. */
final class Summary {
    private Summary() {}

    static String statusLine(DecisionTally.Tally figures, double decidedPerSecond) {
        return String.format(
                Locale.ROOT,
                "published %,d | decided %,d | approved %,d | rejected %,d | %,.0f/s | by redis %,d, local %,d | lag %,d",
                figures.published(),
                figures.decided(),
                figures.approved(),
                figures.rejected(),
                decidedPerSecond,
                figures.byRedis(),
                figures.byLocal(),
                figures.missing());
    }

    static String of(
            DecisionTally tally,
            SampleAgents.Published sent,
            SampleWorkers.Worked worked,
            Duration elapsed,
            List<String> audit,
            Optional<Path> keptDir) {
        DecisionTally.Tally figures = tally.figures();
        var text = new StringBuilder("\nSummary\n");
        line(
                text,
                "requests",
                "%,d published, %,d decided in %.1f s (%,.0f per second)",
                figures.published(),
                figures.decided(),
                elapsed.toMillis() / 1e3,
                figures.decided() / Math.max(1e-3, elapsed.toMillis() / 1e3));
        line(text, "among them", "%,d on the wrong partition (strays), %,d invalid", sent.strays(), sent.invalid());
        line(text, "approved", "%,d", figures.approved());
        line(text, "rejected", "%,d", figures.rejected());
        new TreeMap<>(figures.rejectedByReason()).forEach((reason, count) -> line(text, "", "%,d %s", count, reason));
        line(text, "decided by", "redis %,d, local %,d", figures.byRedis(), figures.byLocal());
        List<String> holds = worked.lines();
        for (int i = 0; i < holds.size(); i++) line(text, i == 0 ? "holds" : "", "%s", holds.get(i));
        int place = 0;
        for (Map.Entry<String, Long> agent : tally.mostThrottled(5)) {
            line(text, place++ == 0 ? "most throttled" : "", "%s, refused %,d times", agent.getKey(), agent.getValue());
        }
        for (int i = 0; i < audit.size(); i++) line(text, i == 0 ? "audit" : "", "%s", audit.get(i));
        if (sent.failed() > 0) line(text, "not published", "%,d: Kafka did not take them", sent.failed());
        if (figures.missing() > 0) {
            line(text, "undecided", "%,d, first at %s", figures.missing(), tally.firstMissing(5));
        }
        if (figures.duplicates() > 0) line(text, "decided twice", "%,d", figures.duplicates());
        if (keptDir.isPresent()) {
            line(text, "kept", "data and logs in %s", keptDir.get());
            line(
                    text,
                    "look next",
                    "./tollgate sandbox --no-traffic --dir %s, then the lines that it prints",
                    keptDir.get());
        } else {
            line(text, "look next", "./tollgate sandbox, and its address in a browser; with --dir D the data is kept");
        }
        return text.toString();
    }

    private static void line(StringBuilder text, String label, String format, Object... values) {
        text.append(String.format(Locale.ROOT, "  %-15s", label))
                .append(String.format(Locale.ROOT, format, values))
                .append('\n');
    }
}
