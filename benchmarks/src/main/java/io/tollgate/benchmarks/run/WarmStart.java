package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how soon an instance decides at its steady rate, with and without what an earlier run has left to Java. */
@Command(
        name = "start",
        description =
                "decisions in the first 30 s after ready, of the steady rate, with what Java keeps of an earlier run",
        mixinStandardHelpOptions = true)
public final class WarmStart implements Runnable {
    /** What Java keeps of an earlier run. */
    private enum Kept {
        NOTHING("nothing", 17, "", ""),
        CLASSES("class data", 17, "-XX:ArchiveClassesAtExit=", "-XX:SharedArchiveFile="),
        PROFILES("class data and profiles", 25, "-XX:AOTCacheOutput=", "-XX:AOTCache=");

        private final String text;
        private final int sinceJava;
        private final String write;
        private final String read;

        Kept(String text, int sinceJava, String write, String read) {
            this.text = text;
            this.sinceJava = sinceJava;
            this.write = write;
            this.read = read;
        }

        boolean isKnown() {
            return Runtime.version().feature() >= sinceJava;
        }

        Path file(TestBed testBed) {
            return testBed.dir().resolve("kept-" + name());
        }

        Map<String, String> writing(TestBed testBed) {
            return Map.of(TestBed.JVM_OPTIONS, write + file(testBed));
        }

        Map<String, String> reading(TestBed testBed) {
            return this == NOTHING ? Map.of() : Map.of(TestBed.JVM_OPTIONS, read + file(testBed));
        }
    }

    private static final String APPLICATION = "application";
    private static final long MILLION = 1_000_000;
    private static final long POLL_NANOS = 100_000_000;
    private static final Duration LONGEST_WARM_UP = Duration.ofSeconds(90);

    @Mixin
    private final Output output = new Output();

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 3;

    @Option(names = "--records", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private long records = 12_000_000;

    @Option(
            names = "--first",
            paramLabel = "S",
            description = "seconds after ready that are counted; default: ${DEFAULT-VALUE}")
    private double first = 30;

    @Override
    public void run() {
        if (output.quick()) {
            rounds = 1;
            records = 300_000;
            first = 2;
        }
        var kinds = Stream.of(Kept.values()).filter(Kept::isKnown).toList();
        Output.estimate(10 + records / 150_000.0 + (rounds + 1) * kinds.size() * (first + 60));
        var rows = new ArrayList<ObjectNode>();
        try (var testBed = TestBed.open()) {
            var redis = TestBed.describe(testBed.redisCommands());
            testBed.preload(Workload.UNIFORM, records);
            for (var kind : kinds) if (kind != Kept.NOTHING) train(testBed, kind);
            for (int round = 1; round <= rounds; round++) {
                for (var kind : kinds) rows.add(measure(testBed, kind, round));
            }
            output.save("start", redis, rows, "name");
        }
    }

    /** Lets an instance decide half of the requests, and end cleanly. */
    private void train(TestBed testBed, Kept kind) {
        try (var running = testBed.start(Contestant.TOLLGATE_REDIS, topic(), kind.writing(testBed))) {
            while (running.committed() < records / 2) LockSupport.parkNanos(POLL_NANOS);
            double seconds = running.end();
            Output.say("%s: written in %.1f s", kind.text, seconds);
        }
    }

    private ObjectNode measure(TestBed testBed, Kept kind, int round) {
        long begin = System.nanoTime();
        try (var running = testBed.start(Contestant.TOLLGATE_REDIS, topic(), kind.reading(testBed))) {
            var pids = Map.of(APPLICATION, running.process().pid());
            var ready = CpuUsage.read(pids, running.committed());
            var million = ready;
            long until = ready.nanos() + (long) (first * 1e9);
            while (System.nanoTime() < until || million.committed() < MILLION) {
                LockSupport.parkNanos(POLL_NANOS);
                long committed = running.committed();
                if (million.committed() < MILLION) million = CpuUsage.read(pids, committed);
                if (committed > records * 0.98) break;
            }
            double firstRate = running.committed() * 1e9 / (System.nanoTime() - ready.nanos());
            var rate = SteadyRate.await(running, LONGEST_WARM_UP, (long) (records * 0.98));
            var row = Results.row();
            row.put("name", kind.text);
            row.put("round", round);
            row.put("ready_seconds", (ready.nanos() - begin) / 1e9);
            row.put("ready_cpu_seconds", ready.cpuSeconds(APPLICATION));
            row.put("million_cpu_seconds", million.cpuSeconds(APPLICATION) - ready.cpuSeconds(APPLICATION));
            row.put("first_per_second", firstRate);
            row.put("records_per_second", rate.last());
            row.put("steady", rate.isSteady() ? 1 : 0);
            row.put("share", firstRate / rate.last());
            Output.say(row.toString());
            return row;
        }
    }

    private static String topic() {
        return "requests-" + Workload.UNIFORM.text();
    }
}
