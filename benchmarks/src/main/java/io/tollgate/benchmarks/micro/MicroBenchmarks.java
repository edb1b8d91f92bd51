package io.tollgate.benchmarks.micro;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.Callable;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The measurements within one process. */
@Command(
        name = "jmh",
        description = "nanoseconds of a local decision beside libraries, of parsing, headers and rejections",
        mixinStandardHelpOptions = true)
public final class MicroBenchmarks implements Callable<Integer> {
    private static final Map<String, String> NAMES = Map.ofEntries(
            Map.entry("oneClock", "one bucket: reading the clock alone"),
            Map.entry("oneTollgateArithmetic", "one bucket: Tollgate's arithmetic alone"),
            Map.entry("oneTollgate", "one bucket: Tollgate's LocalBuckets, found by id"),
            Map.entry("oneBucket4j", "one bucket: Bucket4j"),
            Map.entry("oneResilience4j", "one bucket: resilience4j RateLimiter"),
            Map.entry("oneGuava", "one bucket: Guava RateLimiter"),
            Map.entry("eachTollgate", "each agent's own: Tollgate's LocalBuckets"),
            Map.entry("eachBucket4j", "each agent's own: Bucket4j"),
            Map.entry("eachResilience4j", "each agent's own: resilience4j RateLimiter"),
            Map.entry("eachGuava", "each agent's own: Guava RateLimiter"),
            Map.entry("parse", "record: Tollgate parses a request"),
            Map.entry("policy 0", "record: the agent's policy is found, no prefixes"),
            Map.entry("policy 100000", "record: the agent's policy is found, 100 000 prefixes"),
            Map.entry("policy 1000000", "record: the agent's policy is found, 1 000 000 prefixes"),
            Map.entry(
                    "approvedHeadersEach",
                    "record: Tollgate writes the headers of an approval, each by another policy"),
            Map.entry("approvedHeaders", "record: Tollgate writes the headers of an approval"),
            Map.entry("rejection", "record: Tollgate writes a rejection"));

    private static final int BENCHMARKS = NAMES.size();

    @Option(names = "--only", paramLabel = "REGEX", description = "benchmarks whose name matches; default: all")
    private String only = ".*";

    @Mixin
    private final Output output = new Output();

    @Option(names = "--forks", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int forks = 2;

    @Override
    public Integer call() throws RunnerException {
        int warmUps = output.quick() ? 1 : 3;
        int iterations = output.quick() ? 1 : 5;
        if (output.quick()) forks = 1;
        double iterationSeconds = output.quick() ? 0.2 : 1;
        Output.estimate(BENCHMARKS * forks * (2 + (warmUps + iterations) * iterationSeconds));
        var options = new OptionsBuilder()
                .include(LimiterBenchmark.class.getName() + "\\." + only)
                .include(PolicyBenchmark.class.getName() + "\\." + only)
                .include(RecordBenchmark.class.getName() + "\\." + only)
                .forks(forks)
                .warmupIterations(warmUps)
                .measurementIterations(iterations)
                .warmupTime(TimeValue.milliseconds((long) (iterationSeconds * 1000)))
                .measurementTime(TimeValue.milliseconds((long) (iterationSeconds * 1000)))
                .jvmArgsAppend("-Xmx512m")
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT)
                .build();
        var rows = new ArrayList<ObjectNode>();
        for (var result : new Runner(options).run()) {
            var primary = result.getPrimaryResult();
            var row = Results.row();
            var prefixes = result.getParams().getParam("prefixes");
            var label = primary.getLabel() + (prefixes == null ? "" : " " + prefixes);
            row.put("name", NAMES.getOrDefault(label, label));
            row.put("ns", primary.getScore());
            row.put("error_ns", Double.isNaN(primary.getScoreError()) ? 0 : primary.getScoreError());
            rows.add(row);
        }
        rows.sort((one, two) ->
                one.path("name").asText().compareTo(two.path("name").asText()));
        for (var row : rows) {
            Output.say(
                    "%-55s %8.1f ns", row.path("name").asText(), row.path("ns").asDouble());
        }
        output.save("jmh", "", rows, "name");
        return 0;
    }
}
