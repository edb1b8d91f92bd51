package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What a hold costs, beside an ordinary decision. */
@Command(
        name = "holds",
        description = "decided records a second and CPU, with and without a hold for each request, in turns",
        mixinStandardHelpOptions = true)
public final class HoldCost implements Runnable {
    private static final double OVERHEAD_SECONDS = 12;
    private static final List<Workload> IN_TURNS = List.of(Workload.UNIFORM, Workload.HOLDS);

    @Mixin
    private final Output output = new Output();

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 3;

    @Option(names = "--records", paramLabel = "N", description = "requests of each kind; default: ${DEFAULT-VALUE}")
    private long records = 4_000_000;

    @Option(names = "--warm-up", paramLabel = "S", description = "seconds; default: ${DEFAULT-VALUE}")
    private double warmUp = 30;

    @Option(names = "--seconds", paramLabel = "S", description = "measured in each turn; default: ${DEFAULT-VALUE}")
    private double seconds = 10;

    @Option(names = "--profile", paramLabel = "DIR", description = "leave JFR recordings there")
    @Nullable
    private Path profile;

    @Override
    public void run() {
        if (output.quick()) {
            rounds = 1;
            records = 200_000;
            warmUp = 2;
            seconds = 3;
        }
        Output.estimate(40 + rounds * IN_TURNS.size() * (OVERHEAD_SECONDS + warmUp + seconds));
        var rows = new ArrayList<ObjectNode>();
        try (var testBed = TestBed.open()) {
            var redis = TestBed.describe(testBed.redisCommands());
            Output.say(redis);
            if (profile != null) testBed.profile();
            testBed.publishShortHolds();
            for (var workload : IN_TURNS) testBed.preload(workload, records);
            var timing = new Run.Timing(Output.seconds(warmUp), Output.seconds(seconds));
            for (int round = 1; round <= rounds; round++) {
                for (var workload : IN_TURNS) {
                    var recording =
                            Optional.ofNullable(profile).map(dir -> dir.resolve("holds-" + workload.text() + ".jfr"));
                    var row = Run.run(
                            testBed,
                            Contestant.TOLLGATE_REDIS,
                            workload,
                            timing,
                            Map.of("TOLLGATE_POLICIES_TOPIC", TestBed.SHORT_HOLDS),
                            recording);
                    row.put("round", round);
                    boolean holds = workload == Workload.HOLDS;
                    row.put("name", holds ? "with a hold" : "ordinary");
                    int decisions = holds ? 2 : 1; // the approval, and the end
                    row.put("decision_cpu_us", row.path("application_cpu_us").asDouble() / decisions);
                    rows.add(row);
                    Output.say(
                            "round %d  %-12s %8.0f records/s   CPU us/record: application %6.2f broker %5.2f Redis %6.2f",
                            round,
                            row.path("name").asText(),
                            row.path("records_per_second").asDouble(),
                            row.path("application_cpu_us").asDouble(),
                            row.path("broker_cpu_us").asDouble(),
                            row.path("redis_cpu_us").asDouble());
                }
            }
            output.save("holds", redis, rows, "name");
        }
    }
}
