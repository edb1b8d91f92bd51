package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.benchmarks.report.RoundSummary;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The time from the moment a request was due to its decision, and to its commit. */
@Command(
        name = "latency",
        description = "latency at shares of the maximum rate, Tollgate with Redis beside pass-through, open loop",
        mixinStandardHelpOptions = true)
public final class Latency implements Runnable {
    /** The share of the rate on a preloaded topic that remains when publisher and readers use the same cores. */
    private static final double OPEN_LOOP_SHARE = 0.4;

    @Mixin
    private final Output output = new Output();

    @Option(
            names = "--max-rate",
            paramLabel = "R",
            description =
                    "records/s that are 100%%; default: two fifths of what end-to-end measured for Tollgate with Redis, uniform")
    @Nullable
    private Double maxRate;

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 2;

    @Option(names = "--warm-up", paramLabel = "S", description = "seconds; default: ${DEFAULT-VALUE}")
    private double warmUp = 10;

    @Option(names = "--seconds", paramLabel = "S", description = "at each load; default: ${DEFAULT-VALUE}")
    private double seconds = 14;

    @Option(
            names = "--loads",
            paramLabel = "SHARE",
            split = ",",
            description = "of the maximum; default: ${DEFAULT-VALUE}")
    private List<Double> loads = List.of(0.25, 0.5, 0.75);

    @Option(names = "--contestant", paramLabel = "NAME", split = ",", description = "default: ${DEFAULT-VALUE}")
    private List<String> names = List.of(Contestant.PASS_THROUGH.text(), Contestant.TOLLGATE_REDIS.text());

    @Option(names = "--profile", paramLabel = "DIR", description = "leave JFR recordings there")
    @Nullable
    private Path profile;

    @Override
    public void run() {
        if (output.quick()) {
            rounds = 1;
            warmUp = 2;
            seconds = 4;
        }
        var contestants = Contestant.named(names);
        double most = maxRate != null ? maxRate : maximum(output);
        Output.estimate(10 + rounds * contestants.size() * (7 + warmUp + loads.size() * (seconds + 0.5)));
        var all = new LinkedHashMap<Contestant, List<Map<OpenLoop.Measure, Histogram>>>();
        String redis;
        try (var testBed = TestBed.open()) {
            redis = TestBed.describe(testBed.redisCommands());
            if (profile != null) testBed.profile();
            for (int round = 1; round <= rounds; round++) {
                for (var contestant : contestants) {
                    var seen =
                            run(testBed, contestant, Workload.UNIFORM, most, Map.of(), loads, warmUp, seconds, profile);
                    all.merge(contestant, seen, Latency::merged);
                    Output.say("round " + round + "  " + contestant.text());
                }
            }
        }
        var rows = new ArrayList<ObjectNode>();
        for (int i = 0; i < loads.size(); i++) {
            for (var contestant : all.entrySet()) {
                var fields = Results.row();
                fields.put("load", loads.get(i));
                fields.put("rate", most * loads.get(i));
                fields.put("contestant", contestant.getKey().text());
                rows.addAll(rows(fields, contestant.getValue().get(i)));
            }
        }
        output.save("latency", redis, rows, "load", "contestant", "measure");
    }

    /** Returns the records/s that Tollgate should sustain in an open loop, by what {@code end-to-end} measured. */
    static double maximum(Output output) {
        var rates = new ArrayList<Double>();
        for (var row : output.open().rows("end-to-end")) {
            if (row.path("contestant").asText().equals(Contestant.TOLLGATE_REDIS.text())
                    && row.path("workload").asText().equals(Workload.UNIFORM.text())) {
                rates.add(row.path("records_per_second").asDouble());
            }
        }
        if (rates.isEmpty()) {
            throw new IllegalStateException("the results hold no maximum: run end-to-end first, or give --max-rate");
        }
        return OPEN_LOOP_SHARE * RoundSummary.of(rates).median();
    }

    /** Runs one contestant through all loads, in a process of its own. */
    static List<Map<OpenLoop.Measure, Histogram>> run(
            TestBed testBed,
            Contestant contestant,
            Workload workload,
            double most,
            Map<String, String> environment,
            List<Double> loads,
            double warmUpSeconds,
            double seconds,
            @Nullable Path profile) {
        var topic = testBed.emptyRequests();
        try (var running = testBed.start(contestant, topic, environment);
                var loop = new OpenLoop(testBed, running, topic, loads.size(), OpenLoop.Watched.twoPartitions())) {
            loop.publish(most / 2, Output.seconds(warmUpSeconds), -1, workload::agent);
            for (int level = 0; level < loads.size(); level++) {
                running.awaitCommitted(Duration.ofSeconds(60)); // no load begins with what the one before left behind
                loop.publish(most * loads.get(level), Output.seconds(seconds), level, workload::agent);
            }
            running.awaitCommitted(Duration.ofSeconds(60));
            if (profile != null) running.dump(profile.resolve(contestant.text() + ".jfr"));
            return loop.results();
        }
    }

    /** Adds the times of another round to those of the first ones. */
    private static List<Map<OpenLoop.Measure, Histogram>> merged(
            List<Map<OpenLoop.Measure, Histogram>> sums, List<Map<OpenLoop.Measure, Histogram>> more) {
        for (int level = 0; level < sums.size(); level++) {
            var sum = sums.get(level);
            more.get(level)
                    .forEach((measure, histogram) ->
                            Objects.requireNonNull(sum.get(measure)).add(histogram));
        }
        return sums;
    }

    /** Returns and prints a row for each measure of a load: these fields, and its percentiles. */
    static List<ObjectNode> rows(ObjectNode fields, Map<OpenLoop.Measure, Histogram> seen) {
        var rows = new ArrayList<ObjectNode>();
        seen.forEach((measure, histogram) -> {
            if (histogram.getTotalCount() == 0) return;
            var row = fields.deepCopy();
            row.put("measure", measure.text());
            row.put("count", histogram.getTotalCount());
            row.put("p50_us", histogram.getValueAtPercentile(50));
            row.put("p95_us", histogram.getValueAtPercentile(95));
            row.put("p99_us", histogram.getValueAtPercentile(99));
            row.put("max_us", histogram.getMaxValue());
            rows.add(row);
            Output.say(
                    "%s %-10s p50 %8.2f ms  p99 %8.2f ms  of %d",
                    fields,
                    row.path("measure").asText(),
                    histogram.getValueAtPercentile(50) / 1e3,
                    histogram.getValueAtPercentile(99) / 1e3,
                    histogram.getTotalCount());
        });
        return rows;
    }
}
