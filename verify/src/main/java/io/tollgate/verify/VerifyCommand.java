package io.tollgate.verify;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.tollgate.verify.CheckReport.AgentFigures;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code tollgate verify}: exit 0 if every invariant holds, 1 if one is broken or the topics cannot be read. */
@Command(
        name = "verify",
        mixinStandardHelpOptions = true,
        description = {
            "Reads the topics as any consumer would and checks the promises: each request is decided exactly once,"
                    + " in order, within its quota, charged once, and never refused without need.",
            "Without options it looks at the requests of the last hour, by the timestamp of their records.",
            "A bucket that an operator filled (bucket reset) counts as full from then on.",
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:every promise holds", "1:a promise is broken, or the topics cannot be read", "2:wrong usage"
        })
public final class VerifyCommand implements Callable<Integer> {
    private static final Duration WINDOW = Duration.ofHours(1);
    private static final int VIOLATIONS_SHOWN = 20;

    private final Callable<VerifySettings> settings;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(names = "--from-beginning", description = "Look at everything that the topics still hold.")
    private boolean fromBeginning;

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            defaultValue = "30",
            description = "How long requests that are already published may wait for their decision before they count"
                    + " as lost (default: ${DEFAULT-VALUE}).")
    private int waitSeconds;

    @Option(
            names = "--exclusive",
            description = "No other program spends and Redis loses nothing: then tokens that"
                    + " vanish, and refusals that the bucket's arithmetic does not explain, are violations too.")
    private boolean exclusive;

    @Option(names = "--json", description = "Print one JSON object instead of a table.")
    private boolean json;

    /** Takes the source of the settings, which is used only when the command runs. */
    public VerifyCommand(Callable<VerifySettings> settings) {
        this.settings = settings;
    }

    @Override
    public Integer call() throws Exception {
        if (waitSeconds < 0)
            throw new ParameterException(
                    spec.commandLine(), "--wait must be whole seconds from 0, but is \"" + waitSeconds + "\"");
        Instant from = fromBeginning ? Instant.MIN : Instant.now().minus(WINDOW);
        try {
            CheckReport report =
                    new TopicsReader(settings.call()).verify(from, Duration.ofSeconds(waitSeconds), exclusive);
            PrintWriter out = spec.commandLine().getOut();
            if (json) printJson(report, out);
            else print(report, out);
            out.flush();
            return report.clean() ? 0 : 1;
        } catch (CannotReadException unreadable) {
            PrintWriter err = spec.commandLine().getErr();
            err.println("verify: " + unreadable.getMessage());
            err.flush();
            return 1;
        }
    }

    static void print(CheckReport report, PrintWriter out) {
        int width = report.figures().keySet().stream()
                .mapToInt(String::length)
                .max()
                .orElse(0);
        report.figures()
                .forEach((name, value) ->
                        out.printf(Locale.ROOT, "%-" + width + "s  %15s%n", name.replace('_', ' '), text(value)));
        if (!report.agents().isEmpty()) {
            out.printf(
                    Locale.ROOT,
                    "%n%-32s %10s %10s %10s %10s %12s%n",
                    "agent",
                    "decisions",
                    "local",
                    "local s",
                    "gap s",
                    "overdraft");
            for (AgentFigures agent : report.agents())
                out.printf(
                        Locale.ROOT,
                        "%-32s %10d %10d %10s %10s %12s%n",
                        Text.shorten(agent.agentId()),
                        agent.decisions(),
                        agent.byLocal(),
                        Text.number(agent.localSeconds()),
                        Text.number(agent.longestGapSeconds()),
                        Text.number(agent.overdraftTokens()));
        }
        out.println();
        for (String note : report.notes()) out.println("Note: " + note + ".");
        if (report.clean()) {
            out.println("Every invariant holds.");
            return;
        }
        report.violationCounts()
                .forEach((invariant, count) -> out.println("VIOLATED " + invariant.title() + ": " + count));
        List<Violation> shown =
                report.violations().stream().limit(VIOLATIONS_SHOWN).toList();
        for (Violation violation : shown)
            out.println("  " + violation.invariant().title() + ": " + violation.where() + " " + violation.what());
        long all = report.violationCounts().values().stream()
                .mapToLong(Long::longValue)
                .sum();
        if (all > shown.size()) out.println("  and " + (all - shown.size()) + " more");
    }

    static void printJson(CheckReport report, PrintWriter out) {
        try {
            out.println(JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .build()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(report));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible); // texts and numbers only
        }
    }

    private static String text(Number value) {
        return value instanceof Double number ? Text.number(number) : value.toString();
    }
}
