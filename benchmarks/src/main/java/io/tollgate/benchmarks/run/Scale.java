package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how cost grows: makes one thing after another larger, and leaves all else as it is. */
@Command(
        name = "scale",
        description =
                "throughput, memory in Redis, heap and RocksDB, start and restore, by agents, partitions, size of requests, instances",
        mixinStandardHelpOptions = true)
public final class Scale implements Callable<Integer> {
    /** One case: the backlog, and the pipeline that decides it. */
    record Case(int agents, int partitions, int bytes, int instances) {
        /** The case from which each other one differs in one thing. */
        static final Case USUAL = new Case(100_000, 8, 200, 1);

        String recording() {
            return agents + "-agents-" + partitions + "-partitions-" + bytes + "-bytes-" + instances + ".jfr";
        }

        static Case of(JsonNode row) {
            return new Case(
                    row.path("agents").asInt(),
                    row.path("partitions").asInt(),
                    row.path("bytes").asInt(),
                    row.path("instances").asInt());
        }
    }

    private static final Duration PATIENCE = Duration.ofMinutes(5);
    /** The most that is published for one case: a broker on the same disk must keep up. */
    private static final long MOST_BYTES = 2_000_000_000;

    /** No request is refused: refusals without Redis would make few agents look cheap. */
    private static final Map<String, String> PLENTY =
            Map.of("TOKEN_BUCKET_SIZE", "1000000", "TOKEN_REFILL_RATE", "1000");

    @Mixin
    private final Output output = new Output();

    @Option(names = "--agents", split = ",", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private List<Integer> agents = List.of(1_000, 100_000, 1_000_000);

    @Option(names = "--partitions", split = ",", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private List<Integer> partitions = List.of(1, 8, 64);

    @Option(
            names = "--bytes",
            split = ",",
            paramLabel = "N",
            description = "of a request, 80 at least; default: ${DEFAULT-VALUE}")
    private List<Integer> bytes = List.of(100, 200, 1_000, 10_000, 100_000);

    @Option(names = "--instances", split = ",", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private List<Integer> instances = List.of(1, 2);

    @Option(
            names = "--records",
            paramLabel = "N",
            description = "requests of each case, but no more than 2 GB; default: ${DEFAULT-VALUE}")
    private int records = 2_500_000;

    @Option(names = "--profile", paramLabel = "DIR", description = "leave JFR recordings there")
    @Nullable
    private Path profile;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (output.quick()) {
            records = 50_000;
            agents = List.of(1_000, 100_000);
            partitions = List.of(64);
            bytes = List.of(100_000);
            instances = List.of(2);
        }
        var cases = cases();
        Output.say(cases.size() + " cases");
        Output.estimate(cases.size() * (output.quick() ? 40 : 70));
        var rows = new ArrayList<ObjectNode>();
        String redis = "";
        for (var each : cases) {
            try (var testBed = TestBed.open(each.partitions())) {
                if (profile != null) testBed.profile();
                redis = TestBed.describe(testBed.redisCommands());
                rows.add(measure(testBed, each));
            }
        }
        output.save("scale", redis, rows, "agents", "partitions", "bytes", "instances");
        return 0;
    }

    private LinkedHashSet<Case> cases() {
        var usual = Case.USUAL;
        var all = new LinkedHashSet<Case>();
        for (int n : agents) all.add(new Case(n, usual.partitions(), usual.bytes(), usual.instances()));
        for (int n : partitions) all.add(new Case(usual.agents(), n, usual.bytes(), usual.instances()));
        for (int n : bytes) all.add(new Case(usual.agents(), usual.partitions(), n, usual.instances()));
        for (int n : instances) all.add(new Case(usual.agents(), usual.partitions(), usual.bytes(), n));
        return all;
    }

    private ObjectNode measure(TestBed testBed, Case given) throws IOException, InterruptedException {
        int count = (int) Math.min(records, MOST_BYTES / given.bytes());
        var topic = testBed.emptyRequests();
        publish(testBed, topic, given, count);
        try (var running = testBed.start(Contestant.TOLLGATE_REDIS, topic, PLENTY, given.instances())) {
            long empty = usedMemory(testBed);
            running.awaitCommitted(count / 2, PATIENCE);
            testBed.redisCommands().configResetstat();
            var pids = new LinkedHashMap<>(running.pids());
            pids.put("broker", testBed.broker().pid());
            pids.put("redis", testBed.redis().pid());
            var half = CpuUsage.read(pids, running.committed());
            running.awaitCommitted(count, PATIENCE);
            var all = CpuUsage.read(pids, running.committed());
            double redisMicros = CpuUsage.decidingMicros(testBed.redisCommands());
            if (profile != null) running.dump(profile.resolve(given.recording()));
            long keys = testBed.redisCommands().dbsize();
            var row = Results.row();
            row.put("agents", given.agents());
            row.put("partitions", given.partitions());
            row.put("bytes", given.bytes());
            row.put("instances", given.instances());
            row.put("records", count);
            long decided = all.committed() - half.committed();
            row.put("records_per_second", decided / all.secondsSince(half));
            row.put(
                    "application_cpu_us",
                    running.pids().keySet().stream()
                            .mapToDouble(instance -> all.cpuMicrosPerRecord(half, instance))
                            .sum());
            row.put("broker_cpu_us", all.cpuMicrosPerRecord(half, "broker"));
            row.put("redis_cpu_us", all.cpuMicrosPerRecord(half, "redis"));
            row.put("redis_deciding_us", redisMicros / decided);
            row.put("tasks", tasks(running));
            row.put("redis_keys", keys);
            row.put("redis_bytes_per_agent", (usedMemory(testBed) - empty) / (double) keys);
            row.put("mirrored_agents", metric(running, "tollgate_mirror_agents "));
            row.put("process_mb", residentMegabytes(running.process().pid()));
            running.collectGarbage();
            row.put("heap_mb", metric(running, "jvm_memory_used_bytes{area=\"heap\"") / 1e6);
            if (given.instances() == 1) {
                // With two, the other would take the tasks meanwhile.
                row.put("restart_seconds", running.restart(false));
                row.put("store_bytes_per_agent", running.tableBytes() / (double) keys);
                row.put("restore_seconds", running.restart(true));
            }
            Output.say(row.toString());
            return row;
        }
    }

    private static void publish(TestBed testBed, String topic, Case given, int count) {
        var random = new SplittableRandom(given.agents());
        testBed.publish(count, n -> {
            int agent = random.nextInt(given.agents());
            var key = Workload.agentName(agent).getBytes(StandardCharsets.UTF_8);
            return new ProducerRecord<>(topic, key, Workload.request(n, agent, given.bytes()));
        });
    }

    /** Returns how many tasks each instance has, such as {@code 4+4}: one that has none did not help. */
    private static String tasks(Running running) throws IOException, InterruptedException {
        var counts = new ArrayList<String>();
        for (var instance :
                new ObjectMapper().readTree(running.get("/api/status")).path("instances")) {
            int count = 0;
            for (var thread : instance.path("threads"))
                count += thread.path("tasks").size();
            counts.add(Integer.toString(count));
        }
        return String.join("+", counts);
    }

    private static long usedMemory(TestBed testBed) {
        return Long.parseLong(TestBed.field(testBed.redisCommands().info("memory"), "used_memory"));
    }

    private static double metric(Running running, String prefix) throws IOException, InterruptedException {
        return running.get("/metrics")
                .lines()
                .filter(line -> line.startsWith(prefix))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }

    /** Returns the memory of the process, with heap and RocksDB; 0 if it is unknown. */
    private static double residentMegabytes(long pid) {
        var file = Path.of("/proc/" + pid + "/status");
        if (!Files.exists(file)) return 0;
        try (var lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) * 1024 / 1e6)
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
