package io.tollgate.benchmarks.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Options of every command: where results go. */
public final class Output {
    @Option(
            names = "--results",
            paramLabel = "FILE",
            description =
                    "the results to add to; default: benchmarks/results.json, with --quick benchmarks/target/quick.json")
    @Nullable
    private Path results;

    @Option(
            names = "--page",
            paramLabel = "FILE",
            description =
                    "the page to write anew; default: docs/BENCHMARKS.md, with --quick benchmarks/target/BENCHMARKS.md")
    @Nullable
    private Path page;

    @Option(
            names = "--quick",
            description = "a short run that only shows that everything works; its figures mean nothing")
    private boolean quick;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    /** Whether the run is to be short. */
    public boolean quick() {
        return quick;
    }

    public Results open() {
        return Results.open(
                results != null
                        ? results
                        : Path.of(quick ? "benchmarks/target/quick.json" : "benchmarks/results.json"));
    }

    /**
     * Adds the rows to the results, and writes the page anew.
     *
     * @param keys the fields that rows of the same measurement share
     */
    public void save(String section, String redis, List<ObjectNode> rows, String... keys) {
        var all = open();
        var given = command.root().commandLine().getParseResult().originalArgs();
        all.put(section, "./benchmarks/run " + String.join(" ", given), redis, rows, List.of(keys));
        all.save();
        write(all);
    }

    public void write(Results all) {
        var target = page != null ? page : Path.of(quick ? "benchmarks/target/BENCHMARKS.md" : "docs/BENCHMARKS.md");
        ReportPage.write(all, target);
        say("wrote " + target);
    }

    /** Prints how long it will take. */
    public static void estimate(double seconds) {
        say("this takes about " + (seconds < 90 ? Math.round(seconds) + " s" : Math.round(seconds / 60) + " minutes")
                + "; load of the last minute: " + Machine.load());
    }

    public static void say(String text) {
        System.out.println(text);
    }

    /** Prints values in this format. */
    public static void say(String format, Object... values) {
        say(String.format(Locale.ROOT, format, values));
    }

    public static Duration seconds(double seconds) {
        return Duration.ofNanos((long) (seconds * 1e9));
    }
}
