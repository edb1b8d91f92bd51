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

/** The whole way, topic to topic, at full speed. */
@Command(
        name = "end-to-end",
        description = "decided records a second, CPU and Redis time for each, in turns with pass-through and peers",
        mixinStandardHelpOptions = true)
public final class EndToEnd implements Runnable {
    /** Seconds to start and to stop a contestant, roughly. */
    private static final double OVERHEAD_SECONDS = 5.5;

    private static final double PRELOADED_PER_SECOND = 150_000;

    @Mixin
    private final Output output = new Output();

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 3;

    @Option(names = "--records", paramLabel = "N", description = "requests of each workload; default: ${DEFAULT-VALUE}")
    private long records = 8_000_000;

    @Option(
            names = "--warm-up",
            paramLabel = "S",
            description = "at most, in seconds; it ends when the rate is steady; default: ${DEFAULT-VALUE}")
    private double warmUp = 60;

    @Option(names = "--seconds", paramLabel = "S", description = "measured in each turn; default: ${DEFAULT-VALUE}")
    private double seconds = 5;

    @Option(names = "--workload", split = ",", paramLabel = "NAME", description = "uniform, zipf, flood; default: all")
    private List<String> workloads = List.of();

    @Option(
            names = "--contestant",
            split = ",",
            paramLabel = "NAME",
            description =
                    "copy, pass-through, tollgate-off, tollgate-redis, verdicts-given, tollgate-local, naive, bucket4j; default: all")
    private List<String> contestants = List.of();

    @Option(names = "--profile", paramLabel = "DIR", description = "leave JFR recordings there")
    @Nullable
    private Path profile;

    @Override
    public void run() {
        if (output.quick()) {
            rounds = 1;
            records = 300_000;
            warmUp = 2;
            seconds = 2;
        }
        var turns = turns();
        Output.estimate(12
                + records * chosenWorkloads().size() / PRELOADED_PER_SECOND
                + turns.stream().mapToDouble(turn -> total(turn.contestant)).sum());
        var rows = new ArrayList<ObjectNode>();
        int failed = 0;
        try (var testBed = TestBed.open()) {
            var redis = TestBed.describe(testBed.redisCommands());
            Output.say(redis);
            if (profile != null) testBed.profile();
            for (var workload : chosenWorkloads()) testBed.preload(workload, records);
            if (turns.stream().anyMatch(turn -> turn.contestant == Contestant.VERDICTS_GIVEN)) testBed.giveVerdicts();
            for (var turn : turns) {
                var recording = Optional.ofNullable(profile)
                        .map(dir -> dir.resolve(turn.contestant.text() + "-" + turn.workload.text() + ".jfr"));
                ObjectNode row;
                try {
                    row = Run.run(
                            testBed, turn.contestant, turn.workload, timing(turn.contestant), Map.of(), recording);
                } catch (IllegalStateException e) { // the other turns are worth keeping
                    failed++;
                    Output.say(turn.contestant.text() + " failed: " + e.getMessage());
                    continue;
                }
                row.put("round", turn.round);
                rows.add(row);
                Output.say(
                        "round %d  %-8s %-15s %8.0f records/s   CPU us/record: application %6.2f broker %5.2f Redis %6.2f   Redis deciding %6.2f us   approved %3.0f%%   after %3.0f s%s",
                        turn.round,
                        turn.workload.text(),
                        turn.contestant.text(),
                        row.path("records_per_second").asDouble(),
                        row.path("application_cpu_us").asDouble(),
                        row.path("broker_cpu_us").asDouble(),
                        row.path("redis_cpu_us").asDouble(),
                        row.path("redis_deciding_us").asDouble(),
                        row.path("approved_share").asDouble() * 100,
                        row.path("warm_up_seconds").asDouble(),
                        row.path("steady").asInt() == 1 ? "" : ", not yet steady");
            }
            output.save("end-to-end", redis, rows, "contestant", "workload");
        }
        if (failed > 0) throw new IllegalStateException(failed + " turns failed");
    }

    private record Slot(int round, Workload workload, Contestant contestant) {}

    /** In turns; the slow ones beyond the first round only where the goals speak of them. */
    private List<Slot> turns() {
        var chosen = contestants.isEmpty() ? List.of(Contestant.values()) : Contestant.named(contestants);
        if (chosen.contains(Contestant.VERDICTS_GIVEN) && !chosen.contains(Contestant.TOLLGATE_REDIS)) {
            throw new IllegalArgumentException("verdicts-given needs the verdicts of tollgate-redis in the same run");
        }
        var turns = new ArrayList<Slot>();
        for (int round = 1; round <= rounds; round++) {
            for (var workload : chosenWorkloads()) {
                for (var contestant : chosen) {
                    boolean told = contestant != Contestant.COPY || workload == Workload.UNIFORM;
                    boolean again = round == 1 || workload == Workload.UNIFORM || !contestant.waitsForEachRecord;
                    if (told && again) turns.add(new Slot(round, workload, contestant));
                }
            }
        }
        return turns;
    }

    private List<Workload> chosenWorkloads() {
        return Workload.END_TO_END.stream()
                .filter(workload -> workloads.isEmpty() || workloads.contains(workload.text()))
                .toList();
    }

    private Run.Timing timing(Contestant contestant) {
        return contestant.waitsForEachRecord
                ? new Run.Timing(Output.seconds(Math.min(3, warmUp)), Output.seconds(Math.min(4, seconds)))
                : new Run.Timing(Output.seconds(warmUp), Output.seconds(seconds));
    }

    private double total(Contestant contestant) {
        var timing = timing(contestant);
        return OVERHEAD_SECONDS + timing.warmUp().plus(timing.measured()).toMillis() / 1e3;
    }
}
