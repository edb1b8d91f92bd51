package io.tollgate.benchmarks;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The benchmarks' command line. */
@Command(
        name = "benchmarks/run",
        description = "Measures Tollgate beside its peers on this machine, and writes docs/BENCHMARKS.md.",
        subcommands = {EndToEnd.class},
        mixinStandardHelpOptions = true)
public final class Benchmarks {
    private Benchmarks() {}

    /** Exit 0: measured; 1: failed; 2: wrong usage. */
    public static void main(String[] args) {
        int code = new CommandLine(new Benchmarks()).execute(args);
        System.exit(code);
    }

    /** Writes the page from results that are there. */
    @Command(name = "page", description = "write the page anew from the results", mixinStandardHelpOptions = true)
    void page(@Mixin Output output) {
        output.write(output.open());
    }
}
