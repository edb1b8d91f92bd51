package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.RoundSummary;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the effect of Streams and client settings on Tollgate with Redis. */
@Command(
        name = "settings",
        description = "rate, CPU and latency of Tollgate with Redis, one setting changed at a time",
        mixinStandardHelpOptions = true)
public final class SettingsSearch implements Runnable {
    /** The changes, made as by a user: with KAFKA_ and TOLLGATE_ variables. */
    private static final Map<String, Map<String, String>> CHANGES = changes();

    @Mixin
    private final Output output = new Output();

    @Option(
            names = "--only",
            split = ",",
            paramLabel = "TEXT",
            description = "changes whose name contains one of these")
    private List<String> only = List.of();

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description = "uniform, zipf, flood, thousand or hundred_thousand agents alike; default: uniform")
    private Workload workload = Workload.UNIFORM;

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 1;

    @Option(names = "--records", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private long records = 2_000_000;

    @Option(
            names = "--rate",
            paramLabel = "R",
            description = "records/s at which latency is measured; default: ${DEFAULT-VALUE}")
    private double rate = 30_000;

    @Option(names = "--no-latency", description = "rate and CPU only")
    private boolean noLatency;

    @Option(names = "--warm-up", paramLabel = "S", description = "seconds; default: ${DEFAULT-VALUE}")
    private double warmUp = 7;

    private double seconds = 6;

    private static Map<String, Map<String, String>> changes() {
        var changes = new LinkedHashMap<String, Map<String, String>>();
        changes.put("as shipped", Map.of());
        changes.put("100 000 prefixes", Map.of("TOLLGATE_POLICIES_TOPIC", TestBed.PREFIXES));
        for (int polled : List.of(1000, 5000)) {
            changes.put("max.poll.records " + polled, Map.of("KAFKA_MAX_POLL_RECORDS", "" + polled));
        }
        for (int linger : List.of(0, 5, 20)) {
            changes.put("linger.ms " + linger, Map.of("KAFKA_LINGER_MS", "" + linger));
        }
        for (int size : List.of(65_536, 262_144)) {
            changes.put("batch.size " + size, Map.of("KAFKA_BATCH_SIZE", "" + size));
        }
        for (var kind : List.of("lz4", "zstd")) {
            changes.put("compression.type " + kind, Map.of("KAFKA_COMPRESSION_TYPE", kind));
        }
        for (int size : List.of(65_536, 262_144)) {
            for (var kind : List.of("none", "lz4")) {
                changes.put(
                        "linger.ms 10 with compression " + kind + " and batch.size " + size,
                        Map.of("KAFKA_LINGER_MS", "10", "KAFKA_COMPRESSION_TYPE", kind, "KAFKA_BATCH_SIZE", "" + size));
            }
        }
        for (int millis : List.of(30, 50, 200, 500)) {
            changes.put("commit.interval.ms " + millis, Map.of("KAFKA_COMMIT_INTERVAL_MS", "" + millis));
        }
        for (int millis : List.of(10, 30)) {
            changes.put("poll.ms " + millis, Map.of("KAFKA_POLL_MS", "" + millis));
        }
        changes.put("max.partition.fetch.bytes 1 MB", Map.of("KAFKA_MAX_PARTITION_FETCH_BYTES", "1048576"));
        changes.put("fetch.min.bytes 64 KB", Map.of("KAFKA_FETCH_MIN_BYTES", "65536", "KAFKA_FETCH_MAX_WAIT_MS", "10"));
        changes.put("buffered.records.per.partition 5000", Map.of("KAFKA_BUFFERED_RECORDS_PER_PARTITION", "5000"));
        for (int threads : List.of(1, 4)) {
            changes.put("threads " + threads, Map.of("TOLLGATE_STREAM_THREADS", "" + threads));
        }
        for (var collector : List.of("G1GC", "ZGC")) {
            changes.put("collector " + collector, Map.of(TestBed.JVM_OPTIONS, "-XX:+Use" + collector));
        }
        if (Runtime.version().feature() >= 25) {
            changes.put("full object headers", Map.of(TestBed.JVM_OPTIONS, "-XX:-UseCompactObjectHeaders"));
        }
        changes.put("at_least_once", Map.of("TOLLGATE_PROCESSING_GUARANTEE", "at_least_once"));
        changes.put("group.protocol streams", Map.of("KAFKA_GROUP_PROTOCOL", "streams"));
        return changes;
    }

    @Override
    public void run() {
        if (output.quick()) {
            records = 300_000;
            rate = 5_000;
            warmUp = 2;
            seconds = 3;
        }
        var chosen = new LinkedHashMap<>(CHANGES);
        chosen.keySet().removeIf(name -> !only.isEmpty() && only.stream().noneMatch(name::contains));
        if (chosen.isEmpty()) throw new IllegalArgumentException("no change has a name like that: " + CHANGES.keySet());
        double latencySeconds = noLatency ? 0 : 5 + warmUp + seconds + 2.5;
        Output.estimate(10 + records / 150_000.0 + rounds * chosen.size() * (6 + warmUp + seconds + latencySeconds));
        var rows = new ArrayList<ObjectNode>();
        try (var testBed = TestBed.open()) {
            var redis = TestBed.describe(testBed.redisCommands());
            testBed.preload(workload, records);
            if (chosen.values().stream().anyMatch(change -> change.containsValue(TestBed.PREFIXES)))
                testBed.publishPrefixes();
            for (int round = 0; round < rounds; round++) {
                chosen.forEach((name, environment) -> rows.add(measure(testBed, name, environment)));
            }
            output.save("settings", redis, medians(rows), "name");
        }
    }

    private ObjectNode measure(TestBed testBed, String name, Map<String, String> environment) {
        var timing = new Run.Timing(Output.seconds(warmUp), Output.seconds(seconds));
        var row = Run.run(testBed, Contestant.TOLLGATE_REDIS, workload, timing, environment, Optional.empty());
        row.put("name", workload == Workload.UNIFORM ? name : workload.text() + ": " + name);
        if (!noLatency) {
            var seen = Latency.run(
                            testBed,
                            Contestant.TOLLGATE_REDIS,
                            workload,
                            rate,
                            environment,
                            List.of(1.0),
                            warmUp,
                            seconds + 2,
                            null)
                    .get(0);
            for (var measure : OpenLoop.Measure.values()) {
                var histogram = Objects.requireNonNull(seen.get(measure));
                row.put(measure.text() + "_p50_ms", histogram.getValueAtPercentile(50) / 1e3);
                row.put(measure.text() + "_p99_ms", histogram.getValueAtPercentile(99) / 1e3);
            }
        }
        Output.say(
                "%-40s %8.0f records/s   CPU us/record: application %6.2f broker %5.2f   p50/p99 ms: decided %7.2f/%7.2f written %7.2f/%7.2f committed %7.2f/%7.2f",
                name,
                row.path("records_per_second").asDouble(),
                row.path("application_cpu_us").asDouble(),
                row.path("broker_cpu_us").asDouble(),
                row.path("decided_p50_ms").asDouble(),
                row.path("decided_p99_ms").asDouble(),
                row.path("written_p50_ms").asDouble(),
                row.path("written_p99_ms").asDouble(),
                row.path("committed_p50_ms").asDouble(),
                row.path("committed_p99_ms").asDouble());
        return row;
    }

    /** One row for each change: its median, field by field. */
    private static List<ObjectNode> medians(List<ObjectNode> rows) {
        var medians = new ArrayList<ObjectNode>();
        for (var name :
                rows.stream().map(row -> row.path("name").asText()).distinct().toList()) {
            var same = rows.stream()
                    .filter(row -> row.path("name").asText().equals(name))
                    .toList();
            var median = same.get(0).deepCopy();
            for (var field : same.get(0).properties()) {
                if (!field.getValue().isNumber()) continue;
                var values = same.stream()
                        .map(row -> row.path(field.getKey()).asDouble())
                        .toList();
                median.put(field.getKey(), RoundSummary.of(values).median());
            }
            medians.add(median);
        }
        return medians;
    }
}
