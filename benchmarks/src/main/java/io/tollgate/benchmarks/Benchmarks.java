package io.tollgate.benchmarks;

import io.tollgate.benchmarks.micro.MicroBenchmarks;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.run.CodecCost;
import io.tollgate.benchmarks.run.EndToEnd;
import io.tollgate.benchmarks.run.HoldCost;
import io.tollgate.benchmarks.run.HotAgent;
import io.tollgate.benchmarks.run.Latency;
import io.tollgate.benchmarks.run.Memory;
import io.tollgate.benchmarks.run.RedisThroughput;
import io.tollgate.benchmarks.run.Scale;
import io.tollgate.benchmarks.run.ScriptCost;
import io.tollgate.benchmarks.run.SettingsSearch;
import io.tollgate.benchmarks.run.Simulate;
import io.tollgate.benchmarks.run.WarmStart;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The benchmarks' command line. */
@Command(
        name = "benchmarks/run",
        description = "Measures Tollgate beside its peers on this machine, and writes docs/BENCHMARKS.md.",
        subcommands = {
            EndToEnd.class,
            RedisThroughput.class,
            ScriptCost.class,
            MicroBenchmarks.class,
            Memory.class,
            Scale.class,
            Latency.class,
            HotAgent.class,
            HoldCost.class,
            WarmStart.class,
            CodecCost.class,
            SettingsSearch.class,
            Simulate.class,
            All.class
        },
        mixinStandardHelpOptions = true)
public final class Benchmarks {
    private Benchmarks() {}

    /** Exit 0: measured; 1: failed; 2: wrong usage. */
    public static void main(String[] args) {
        int code = commandLine().execute(args);
        System.exit(code);
    }

    static CommandLine commandLine() {
        return new CommandLine(new Benchmarks())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler((failure, commandLine, parsed) -> {
                    var cause = failure.getCause() == null
                            ? ""
                            : ": " + failure.getCause().getMessage();
                    commandLine.getErr().println("benchmarks: " + failure.getMessage() + cause);
                    return 1;
                });
    }

    /** Writes the page from existing results. */
    @Command(name = "page", description = "write the page anew from the results", mixinStandardHelpOptions = true)
    void page(@Mixin Output output) {
        output.write(output.open());
    }
}
