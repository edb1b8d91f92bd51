package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lettuce.core.RedisClient;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendScript;
import io.tollgate.redis.SpendScript.Operation;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the script costs Redis, beside the least that a script can do which keeps the same shared fields. */
@Command(
        name = "script",
        description = "what the script costs Redis beside a minimal one: instructions (by valgrind) and time",
        mixinStandardHelpOptions = true)
public final class ScriptCost implements Callable<Integer> {
    // Fills within an hour, as most do: keys that take longer are given their time to live anew by each call.
    private static final Limit PLENTY = new Limit(30_000, 10);
    private static final Limit EXHAUSTED = new Limit(10, 0.001);
    private static final long SOURCE = 4711;
    private static final int TURNS = 12;

    @Mixin
    private final Output output = new Output();

    @Option(names = "--agents", split = ",", paramLabel = "N", description = "in a call; default: ${DEFAULT-VALUE}")
    private List<Integer> agents = List.of(1, 16);

    @Option(
            names = "--entries",
            paramLabel = "N",
            description = "agents asked for in each turn; default: ${DEFAULT-VALUE}")
    private int entries = 1600;

    /** What is asked; {@code pending}: so many calls before are not committed. */
    private enum Scene {
        ONE("one request", Terms.of(PLENTY), 1, 0.25, 0),
        FIVE("five requests", Terms.of(PLENTY), 5, 0.25, 0),
        UNCOMMITTED("one request, the call before it uncommitted", Terms.of(PLENTY), 1, 0.25, 1),
        REFUSED("one request, refused", Terms.of(EXHAUSTED), 1, 100, 0),
        LIMITS(
                "one request, three limits",
                new Terms(
                        0,
                        List.of(
                                new NamedLimit("burst", PLENTY),
                                new NamedLimit("hour", PLENTY),
                                new NamedLimit("day", PLENTY))),
                1,
                0.25,
                0),
        SETTLED("one request, of an agent that has settled holds", Terms.of(PLENTY), 1, 0.25, 0);

        private static final Adjustments REFUNDED = new Adjustments(1_700_000_000_000_000L, false, 5);

        final String text;
        final Terms terms;
        final int requests;
        final double cost;
        final int pending;

        Scene(String text, Terms terms, int requests, double cost, int pending) {
            this.text = text;
            this.terms = terms;
            this.requests = requests;
            this.cost = cost;
            this.pending = pending;
        }

        Adjustments adjustments() {
            return this == SETTLED ? REFUNDED : Adjustments.NONE;
        }
    }

    /** A Redis, emptied for each way to ask it; what is run asks once for each agent, in one call. */
    private static final class Bench implements AutoCloseable {
        private final RedisClient client;
        private final RedisCommands<byte[], byte[]> commands;
        private final RedisCommands<String, String> meter;

        Bench(RedisServer server) {
            client = RedisClient.create(server.uri());
            commands = client.connect(ByteArrayCodec.INSTANCE).sync();
            meter = client.connect().sync();
        }

        RedisCommands<String, String> meter() {
            return meter;
        }

        /** Returns the least of several turns: what interrupts Redis makes them longer, nothing makes them shorter. */
        double micros(Runnable asking, int calls) {
            double least = Double.POSITIVE_INFINITY;
            for (int turn = 0; turn < TURNS; turn++) {
                meter.configResetstat();
                for (int i = 0; i < calls; i++) asking.run();
                least = Math.min(least, CpuUsage.decidingMicros(meter) / calls);
            }
            return least;
        }

        @Override
        public void close() {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }

        private byte[] call(String digest, byte[][] keys, byte[][] arguments) {
            return commands.evalsha(digest, ScriptOutputType.VALUE, keys, arguments);
        }

        private static byte[][] keys(Scene scene, int agents) {
            return IntStream.range(0, agents)
                    .mapToObj(agent -> SpendScript.key(scene + Workload.agentName(agent), BucketKind.ENFORCED))
                    .toArray(byte[][]::new);
        }

        Runnable floor(Scene scene, int agents) {
            commands.flushall();
            var digest = commands.scriptLoad(Scripts.MINIMAL.getBytes(StandardCharsets.UTF_8));
            var limits = scene.terms.limits();
            var argument = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);
            argument.putInt(limits.size()).putInt(scene.requests);
            for (var limit : limits) {
                argument.putDouble(limit.limit().capacityTokens())
                        .putDouble(limit.limit().refillTokensPerSecond());
                var suffix = limit == limits.get(0) ? "" : ":" + limit.name();
                argument.put((byte) suffix.length()).put(suffix.getBytes(StandardCharsets.UTF_8));
            }
            for (int i = 0; i < scene.requests; i++) argument.putDouble(scene.cost);
            var each = Arrays.copyOf(argument.array(), argument.position());
            var arguments = IntStream.range(0, agents).mapToObj(agent -> each).toArray(byte[][]::new);
            var keys = keys(scene, agents);
            return () -> call(digest, keys, arguments);
        }

        /** As the pipeline does under exactly-once: with fence and copy. */
        Runnable tollgate(Scene scene, int agents) {
            commands.flushall();
            var digest = commands.scriptLoad(SpendScript.text().getBytes(StandardCharsets.UTF_8));
            var keys = keys(scene, agents);
            var copies = new SpendRequest.Copy[agents];
            var promises = Promises.of(scene.terms);
            long[] next = {0};
            return () -> {
                var spends = new ArrayList<SpendRequest>(agents);
                long first = next[0];
                long committed = first - 1 - (long) scene.pending * scene.requests;
                var charges = new ArrayList<Charge>();
                for (int i = 0; i < scene.requests; i++) charges.add(new Charge(first + i, scene.cost));
                for (int agent = 0; agent < agents; agent++) {
                    spends.add(new SpendRequest(
                            Workload.agentName(agent),
                            BucketKind.ENFORCED,
                            promises,
                            charges,
                            SOURCE,
                            Math.max(-1, committed),
                            true,
                            Fence.NONE,
                            copies[agent]));
                }
                var arguments = spends.stream()
                        .map(spend -> SpendScript.argument(Operation.SPEND, spend))
                        .toArray(byte[][]::new);
                var answers = SpendScript.answers(call(digest, keys, arguments), spends)
                        .answers();
                next[0] += scene.requests;
                for (int agent = 0; agent < agents; agent++) {
                    if (!(answers.get(agent) instanceof SpendResult.Decided decided) || decided.replays() > 0) {
                        throw new IllegalStateException("Redis answered " + answers.get(agent));
                    }
                    copies[agent] = new SpendRequest.Copy(
                            decided.buckets(),
                            CopyStatus.FOLLOWS,
                            decided.foreignSeconds(),
                            next[0] - 1,
                            Fence.NONE,
                            List.of(),
                            scene.adjustments(),
                            scene.adjustments().settledTokens());
                }
            };
        }
    }

    @Override
    public Integer call() throws Exception {
        if (output.quick()) entries = 64;
        Output.estimate(20 + Scene.values().length * agents.size() * 2 * entries / 200.0);
        var rows = new ArrayList<ObjectNode>();
        try (var server = TestBed.openRedis();
                var timed = new Bench(server);
                var counting =
                        InstructionCount.isPossible() ? InstructionCount.startRedis(TestBed.executable(server)) : null;
                var counted = new Bench(counting == null ? server : counting.redis())) {
            if (counting == null) Output.say("there is no valgrind, so that only time is measured");
            for (int size : agents) {
                for (var scene : Scene.values()) {
                    var row = Results.row();
                    row.put("scene", scene.text);
                    row.put("agents", size);
                    int calls = Math.max(1, entries / size);
                    if (counting != null) {
                        row.put("floor_instructions", counting.each(counted.floor(scene, size), calls) / size);
                        row.put("instructions", counting.each(counted.tollgate(scene, size), calls) / size);
                    }
                    row.put("floor_us", timed.micros(timed.floor(scene, size), calls) / size);
                    row.put("us", timed.micros(timed.tollgate(scene, size), calls) / size);
                    rows.add(row);
                    Output.say(describe(row));
                }
            }
            output.save("script", TestBed.describe(timed.meter()), rows, "scene", "agents");
        }
        return 0;
    }

    private static String describe(ObjectNode row) {
        return String.format(
                Locale.ROOT,
                "%-47s %2d in a call %s %s",
                row.path("scene").asText(),
                row.path("agents").asInt(),
                row.has("instructions") ? beside(row, "instructions") : "",
                beside(row, "us"));
    }

    private static String beside(ObjectNode row, String field) {
        double ours = row.path(field).asDouble();
        double floor = row.path("floor_" + field).asDouble();
        return String.format(Locale.ROOT, "  %s %.1f of %.1f: %.2f", field, ours, floor, ours / floor);
    }
}
