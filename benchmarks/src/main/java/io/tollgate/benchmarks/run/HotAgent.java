package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.apache.kafka.common.utils.Utils;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Measures who waits while one agent sends nine tenths of all requests: agents on its partition, on its thread, and
 * all others.
 */
@Command(
        name = "hot-agent",
        description =
                "latency of the others, by partition, with and without one agent that sends nine tenths; open loop",
        mixinStandardHelpOptions = true)
public final class HotAgent implements Callable<Integer> {
    /** The shares of the agents, as named in the results. */
    enum Scene {
        WITHOUT("without it", 0.1, 0),
        EVEN("all alike", 1, 0),
        HOT("with it", 1, 0.9);

        final String text;
        private final double rateShare;
        private final double hotShare;

        Scene(String text, double rateShare, double hotShare) {
            this.text = text;
            this.rateShare = rateShare;
            this.hotShare = hotShare;
        }

        private int agent(SplittableRandom random) {
            if (hotShare > 0 && random.nextDouble() < hotShare) return HOT_AGENT;
            return 1 + random.nextInt(Workload.AGENTS - 1);
        }
    }

    /** The agents whose requests are timed. */
    enum TimedGroup {
        HOT("the hot agent"),
        ITS_PARTITION("others on its partition"),
        ITS_THREAD("other partitions of its thread"),
        ELSEWHERE("partitions of other threads");

        final String text;

        TimedGroup(String text) {
            this.text = text;
        }
    }

    private static final int HOT_AGENT = 0;
    private static final int PARTITIONS = 8;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    /** No request is refused: refusals without Redis would make the hot agent look cheap. */
    private static final Map<String, String> PLENTY =
            Map.of("TOKEN_BUCKET_SIZE", "1000000000", "TOKEN_REFILL_RATE", "1000000");

    @Mixin
    private final Output output = new Output();

    @Option(
            names = "--max-rate",
            paramLabel = "R",
            description =
                    "records/s that are 100%%; default: two fifths of what end-to-end measured for Tollgate with Redis, uniform")
    @Nullable
    private Double maxRate;

    @Option(
            names = "--loads",
            split = ",",
            paramLabel = "SHARE",
            description = "of the maximum, rising; default: ${DEFAULT-VALUE}")
    private List<Double> loads = List.of(0.25, 0.5);

    @Option(names = "--warm-up", paramLabel = "S", description = "seconds; default: ${DEFAULT-VALUE}")
    private double warmUp = 15;

    @Option(names = "--seconds", paramLabel = "S", description = "at each load; default: ${DEFAULT-VALUE}")
    private double seconds = 20;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (output.quick()) {
            warmUp = 2;
            seconds = 5;
        }
        double most = maxRate != null ? maxRate : Latency.maximum(output);
        Output.estimate(10 + Scene.values().length * (8 + warmUp + loads.size() * (seconds + 1)));
        var rows = new ArrayList<ObjectNode>();
        String redis;
        try (var testBed = TestBed.open(PARTITIONS)) {
            redis = TestBed.describe(testBed.redisCommands());
            for (var scene : Scene.values()) rows.addAll(run(testBed, scene, most));
        }
        output.save("hot-agent", redis, rows, "load", "scene", "group", "measure");
        return 0;
    }

    private List<ObjectNode> run(TestBed testBed, Scene scene, double most) throws IOException, InterruptedException {
        var topic = testBed.emptyRequests();
        var groups = TimedGroup.values();
        int hotPartition = partitionOf(Workload.agentName(HOT_AGENT));
        try (var running = testBed.start(Contestant.TOLLGATE_REDIS, topic, PLENTY)) {
            var itsThread = partitionsOfTheThreadOf(hotPartition, running);
            var watched = new OpenLoop.Watched(
                    IntStream.range(0, PARTITIONS).boxed().toList(),
                    List.of("read_committed"),
                    groups.length,
                    (partition, agentId) ->
                            group(partition, agentId, hotPartition, itsThread).ordinal());
            try (var loop = new OpenLoop(testBed, running, topic, loads.size(), watched)) {
                loop.publish(most * loads.get(0), Output.seconds(warmUp), -1, Scene.EVEN::agent);
                for (int level = 0; level < loads.size(); level++) {
                    running.awaitCommitted(PATIENCE); // no load inherits the queue of the one before
                    double rate = most * loads.get(level) * scene.rateShare;
                    loop.publish(rate, Output.seconds(seconds), level, scene::agent);
                }
                running.awaitCommitted(PATIENCE);
                var seen = loop.results();
                var rows = new ArrayList<ObjectNode>();
                for (int level = 0; level < loads.size(); level++) {
                    for (var group : groups) {
                        var fields = Results.row();
                        fields.put("load", loads.get(level));
                        fields.put("rate", most * loads.get(level) * scene.rateShare);
                        fields.put("scene", scene.text);
                        fields.put("group", group.text);
                        rows.addAll(Latency.rows(fields, seen.get(level * groups.length + group.ordinal())));
                    }
                }
                return rows;
            }
        }
    }

    private static TimedGroup group(int partition, byte[] agentId, int hotPartition, Set<Integer> itsThread) {
        if (new String(agentId, StandardCharsets.UTF_8).equals(Workload.agentName(HOT_AGENT))) return TimedGroup.HOT;
        if (partition == hotPartition) return TimedGroup.ITS_PARTITION;
        return itsThread.contains(partition) ? TimedGroup.ITS_THREAD : TimedGroup.ELSEWHERE;
    }

    /** As Kafka's Java clients do. */
    private static int partitionOf(String agent) {
        return Utils.toPositive(Utils.murmur2(agent.getBytes(StandardCharsets.UTF_8))) % PARTITIONS;
    }

    private static Set<Integer> partitionsOfTheThreadOf(int partition, Running running)
            throws IOException, InterruptedException {
        var status = new ObjectMapper().readTree(running.get("/api/status"));
        for (var instance : status.path("instances")) {
            for (var thread : instance.path("threads")) {
                var partitions = new HashSet<Integer>();
                for (JsonNode task : thread.path("tasks")) {
                    partitions.add(Integer.parseInt(task.asText().replaceFirst(".*_", "")));
                }
                if (partitions.contains(partition)) return partitions;
            }
        }
        throw new IllegalStateException("no thread has partition " + partition + ": " + status);
    }
}
