package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.bucket.Limit;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.redisson.Redisson;
import org.redisson.api.RedissonClient;
import org.redisson.config.Config;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Decisions a second on one Redis, without Kafka. */
@Command(
        name = "redis",
        description = "decisions a second on one Redis beside Bucket4j, Redisson and Spring Cloud Gateway's way",
        mixinStandardHelpOptions = true)
public final class RedisThroughput implements Callable<Integer> {
    private static final int THREADS = 16;
    private static final int UNDER_WAY = 512;
    private static final int CHUNK_AGENTS = 128;
    private static final Limit LIMIT = new Limit(1000, 10);

    /** Tollgate's calls of many agents, and of one. */
    static final String TOGETHER = "Tollgate's pipeline, 128 agents in a call";

    static final String ALONE = "Tollgate's library, best";

    @Mixin
    private final Output output = new Output();

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 3;

    @Option(names = "--warm-up", paramLabel = "S", description = "seconds; default: ${DEFAULT-VALUE}")
    private double warmUp = 2.5;

    @Option(names = "--seconds", paramLabel = "S", description = "measured in each turn; default: ${DEFAULT-VALUE}")
    private double seconds = 4;

    private record Entry(String name, Way way) {}

    /** Decides until it is told to stop, and counts. */
    @FunctionalInterface
    private interface Way {
        void decide(LongAdder decided, BooleanSupplier goOn) throws InterruptedException;
    }

    @Override
    public Integer call() throws Exception {
        if (output.quick()) {
            rounds = 1;
            warmUp = 0.5;
            seconds = 1;
        }
        Output.estimate(6 + rounds * 11 * (warmUp + seconds + 0.2));
        var rows = new ArrayList<ObjectNode>();
        try (var server = TestBed.openRedis();
                var tollgate = new RedisBuckets(RedisURI.create(server.uri()))) {
            var client = RedisClient.create(server.uri());
            var meter = client.connect().sync();
            var redisson = redisson(server.uri());
            try {
                TestBed.connect(tollgate);
                var redis = TestBed.describe(meter);
                Output.say(redis);
                for (int round = 1; round <= rounds; round++) {
                    for (var entry : entries(tollgate, client, redisson)) {
                        meter.flushall();
                        var row = measure(entry, meter, server.pid());
                        row.put("round", round);
                        rows.add(row);
                    }
                }
                output.save("redis", redis, rows, "name");
            } finally {
                redisson.shutdown(0, 1, TimeUnit.SECONDS);
                client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
            }
        }
        return 0;
    }

    static RedissonClient redisson(String uri) {
        var config = new Config();
        config.useSingleServer().setAddress(uri);
        return Redisson.create(config);
    }

    private List<Entry> entries(RedisBuckets tollgate, RedisClient client, RedissonClient redisson) {
        var single = new Limiters.TollgateSingle(tollgate, LIMIT);
        var floor = Limiters.floor(client, LIMIT);
        var bucket4j = new Limiters.Bucket4jRedis(client, LIMIT);
        var rateLimiter = new Limiters.Redisson(redisson, LIMIT);
        var gateway = Limiters.gateway(client, LIMIT);
        return List.of(
                new Entry(TOGETHER, chunks(tollgate, true)),
                new Entry("the same without fence and copy", chunks(tollgate, false)),
                new Entry("Tollgate's library, documented", waiting(single)),
                new Entry(ALONE, pipelined(single)),
                new Entry("a minimal script (floor), best", pipelined(floor)),
                new Entry("Bucket4j, documented", waiting(bucket4j)),
                new Entry("Bucket4j, best", pipelined(bucket4j)),
                new Entry("Redisson RRateLimiter, documented", prepared(rateLimiter, waiting(rateLimiter))),
                new Entry("Redisson RRateLimiter, best", prepared(rateLimiter, pipelined(rateLimiter))),
                new Entry("Spring Cloud Gateway's way, documented", waiting(gateway)),
                new Entry("Spring Cloud Gateway's way, best", pipelined(gateway)));
    }

    private ObjectNode measure(Entry entry, RedisCommands<String, String> meter, long redisPid) throws Exception {
        var decided = new LongAdder();
        var pids = Map.of("redis", redisPid, "client", ProcessHandle.current().pid());
        var executor = Executors.newSingleThreadExecutor();
        var deadline = new AtomicReference<@Nullable Long>();
        try {
            Future<?> running = executor.submit(() -> {
                entry.way().decide(decided, () -> deadline.get() == null);
                return null;
            });
            while (decided.sum() == 0 && !running.isDone()) TimeUnit.MILLISECONDS.sleep(5);
            TimeUnit.NANOSECONDS.sleep((long) (warmUp * 1e9));
            meter.configResetstat();
            var start = CpuUsage.read(pids, decided.sum());
            TimeUnit.NANOSECONDS.sleep((long) (seconds * 1e9));
            var end = CpuUsage.read(pids, decided.sum());
            double micros = CpuUsage.decidingMicros(meter);
            deadline.set(System.nanoTime());
            running.get(30, TimeUnit.SECONDS);
            long count = end.committed() - start.committed();
            var row = Results.row();
            row.put("name", entry.name());
            row.put("decisions_per_second", count / end.secondsSince(start));
            row.put("redis_deciding_us", micros / Math.max(1, count));
            row.put("redis_cpu_us", end.cpuMicrosPerRecord(start, "redis"));
            row.put("client_cpu_us", end.cpuMicrosPerRecord(start, "client"));
            Output.say(
                    "%-42s %8.0f decisions/s   Redis deciding %6.2f us   CPU: Redis %6.2f us, client %6.2f us",
                    entry.name(),
                    row.path("decisions_per_second").asDouble(),
                    row.path("redis_deciding_us").asDouble(),
                    row.path("redis_cpu_us").asDouble(),
                    row.path("client_cpu_us").asDouble());
            return row;
        } finally {
            executor.shutdownNow();
        }
    }

    /** Threads that wait for each answer, as the libraries' documentation shows it. */
    private static Way waiting(Limiters.Limiter limiter) {
        return (decided, goOn) -> {
            var threads = new ArrayList<Thread>();
            for (int i = 0; i < THREADS; i++) {
                var random = new SplittableRandom(i);
                threads.add(new Thread(() -> {
                    while (goOn.getAsBoolean()) {
                        limiter.spendNow(Workload.agentName(random.nextInt(Workload.AGENTS)), 1);
                        decided.increment();
                    }
                }));
            }
            threads.forEach(Thread::start);
            for (var thread : threads) thread.join();
        };
    }

    /** One thread that never waits for an answer, only for room. */
    private static Way pipelined(Limiters.Limiter limiter) {
        return (decided, goOn) -> {
            var random = new SplittableRandom(1);
            var room = new Semaphore(UNDER_WAY);
            while (goOn.getAsBoolean()) {
                room.acquire();
                count(limiter.spend(Workload.agentName(random.nextInt(Workload.AGENTS)), 1), decided, 1, room);
            }
            room.acquire(UNDER_WAY);
        };
    }

    private static Way chunks(RedisBuckets tollgate, boolean exact) {
        return (decided, goOn) -> {
            int calls = UNDER_WAY / CHUNK_AGENTS;
            var limiter = new Limiters.TollgateChunks(tollgate, LIMIT, Workload.AGENTS, exact);
            var random = new SplittableRandom(1);
            var room = new Semaphore(calls);
            while (goOn.getAsBoolean()) {
                int[] agents = random.ints(0, Workload.AGENTS)
                        .distinct()
                        .limit(CHUNK_AGENTS)
                        .toArray();
                room.acquire();
                count(limiter.spend(agents, calls), decided, agents.length, room);
            }
            room.acquire(calls);
        };
    }

    private static void count(CompletionStage<?> answer, LongAdder decided, int decisions, Semaphore room) {
        answer.whenComplete((result, failure) -> {
            if (failure == null) decided.add(decisions);
            room.release();
        });
    }

    /** Redisson wants to know every agent's rate first. */
    private static Way prepared(Limiters.Redisson limiter, Way way) {
        return (decided, goOn) -> {
            var room = new Semaphore(UNDER_WAY);
            for (int agent = 0; agent < Workload.AGENTS; agent++) {
                room.acquire();
                limiter.prepare(Workload.agentName(agent)).whenComplete((done, failure) -> room.release());
            }
            room.acquire(UNDER_WAY);
            way.decide(decided, goOn);
        };
    }
}
