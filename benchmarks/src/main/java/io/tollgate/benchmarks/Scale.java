package io.tollgate.benchmarks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.ProducerRecord;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How cost grows: the same number of requests from few, many and very many agents, and what else may grow. */
@Command(
        name = "scale",
        description =
                "throughput, memory in Redis, heap and RocksDB, start and restore, by agents, partitions, size of requests, instances",
        mixinStandardHelpOptions = true)
final class Scale implements Callable<Integer> {
    private static final Duration PATIENCE = Duration.ofMinutes(10);

    @Mixin
    private final Output output = new Output();

    @Option(names = "--agents", split = ",", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private List<Integer> agents = List.of(1_000, 100_000, 1_000_000);

    @Option(names = "--records", paramLabel = "N", description = "requests of each turn; default: ${DEFAULT-VALUE}")
    private int records = 4_000_000;

    @Option(
            names = "--hot",
            paramLabel = "SHARE",
            description = "the part of all requests that one agent sends; default: ${DEFAULT-VALUE}")
    private double hot = 0;

    @Option(names = "--partitions", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int partitions = 8;

    @Option(names = "--bytes", paramLabel = "N", description = "of a request; default: ${DEFAULT-VALUE}")
    private int bytes = 200;

    @Option(names = "--instances", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int instances = 1;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (output.quick) records = 200_000;
        var rows = new ArrayList<ObjectNode>();
        String redis = "";
        for (int count : agents) {
            try (var ground = Ground.open(partitions)) {
                redis = Ground.describe(ground.redisCommands());
                rows.add(measure(ground, count));
            }
        }
        output.save(
                "scale",
                redis,
                rows,
                row -> String.join(
                        "/",
                        List.of("agents", "partitions", "bytes", "hot", "instances").stream()
                                .map(field -> row.path(field).asText())
                                .toList()));
        return 0;
    }

    private ObjectNode measure(Ground ground, int count) throws IOException, InterruptedException {
        var topic = ground.emptyRequests();
        publish(ground, topic, count);
        // Nobody is refused: a refusal that needs no Redis would make few agents look cheap.
        var plenty = Map.of("TOKEN_BUCKET_SIZE", "1000000", "TOKEN_REFILL_RATE", "1000");
        try (var running = ground.start(Contestant.TOLLGATE_REDIS, topic, plenty)) {
            for (int instance = 1; instance < instances; instance++) running.addInstance();
            long empty = usedMemory(ground);
            long half = await(running, records / 2);
            long all = await(running, records);
            var row = Results.row();
            row.put("agents", count);
            row.put("hot", hot);
            row.put("partitions", partitions);
            row.put("bytes", bytes);
            row.put("instances", instances);
            row.put("records", records);
            row.put("records_per_second", (records - records / 2) / ((all - half) / 1e9));
            row.put("heap_mb", metric(running, "jvm_memory_used_bytes{area=\"heap\"") / 1e6);
            row.put("mirrored_agents", metric(running, "tollgate_mirror_agents "));
            long keys = ground.redisCommands().dbsize();
            row.put("redis_keys", keys);
            row.put("redis_bytes_per_agent", (usedMemory(ground) - empty) / (double) keys);
            row.put("restart_seconds", running.restart(false));
            row.put("store_bytes_per_agent", bytes(running.stateDir()) / (double) keys);
            row.put("restore_seconds", running.restart(true));
            Output.say(row.toString());
            return row;
        }
    }

    private void publish(Ground ground, String topic, int count) {
        var random = new SplittableRandom(count);
        try (var producer = ground.producer(50)) {
            for (long n = 0; n < records; n++) {
                int agent = hot > 0 && random.nextDouble() < hot ? 0 : random.nextInt(count);
                var key = Workload.agentName(agent).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, key, Workload.request(n, agent, bytes)));
            }
        }
    }

    /** Returns when that many are decided and committed. */
    private static long await(Ground.Running running, long wanted) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (running.committed() < wanted) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("not all requests were decided");
            LockSupport.parkNanos(50_000_000);
        }
        return System.nanoTime();
    }

    private static long usedMemory(Ground ground) {
        return Long.parseLong(Ground.field(ground.redisCommands().info("memory"), "used_memory"));
    }

    private static double metric(Ground.Running running, String prefix) throws IOException, InterruptedException {
        URI metrics = running.process().http().resolve("/metrics");
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(metrics).build(), HttpResponse.BodyHandlers.ofLines())
                .body()
                .filter(line -> line.startsWith(prefix))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }

    private static long bytes(Path dir) throws IOException {
        try (var files = Files.walk(dir)) {
            return files.filter(file -> file.toString().endsWith(".sst"))
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        }
    }
}
