package io.tollgate.benchmarks;

import io.tollgate.benchmarks.report.Output;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures everything on the page, except for the search for settings. */
@Command(
        name = "all",
        description =
                "end-to-end, latency, redis, script, jmh, memory, scale, hot-agent, holds, start, codecs and simulate, one after the other, with their defaults",
        mixinStandardHelpOptions = true)
final class All implements Callable<Integer> {
    @Option(names = "--quick", description = "short runs that only show that everything works")
    private boolean quick;

    @Override
    public Integer call() {
        for (var name : List.of(
                "end-to-end",
                "latency",
                "redis",
                "script",
                "jmh",
                "memory",
                "scale",
                "hot-agent",
                "holds",
                "start",
                "codecs",
                "simulate")) {
            Output.say("== " + name);
            var arguments = new ArrayList<>(List.of(name));
            if (quick) arguments.add("--quick");
            int code = Benchmarks.commandLine().execute(arguments.toArray(String[]::new));
            if (code != CommandLine.ExitCode.OK) return code;
        }
        return 0;
    }
}
