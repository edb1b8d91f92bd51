package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanIterator;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.benchmarks.micro.PolicyMemory;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.bucket.Limit;
import io.tollgate.redis.RedisBuckets;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The memory of an agent in Redis and on disk, and of a policy on the heap. */
@Command(
        name = "memory",
        description = "bytes for each agent in Redis and in RocksDB, and for each policy in memory",
        mixinStandardHelpOptions = true)
public final class Memory implements Callable<Integer> {
    private static final Limit LIMIT = new Limit(1000, 10);
    private static final int AGENTS = 1000;
    private static final int REQUESTS_EACH = 20;
    /** The largest field with which Redis keeps a hash in one piece. This is the old name, which all versions know. */
    static final String COMPACT = "hash-max-ziplist-value";

    @Mixin
    private final Output output = new Output();

    @Override
    public Integer call() throws Exception {
        Output.estimate(45);
        var rows = new ArrayList<ObjectNode>();
        String redis;
        try (var server = TestBed.openRedis();
                var tollgate = new RedisBuckets(RedisURI.create(server.uri()))) {
            var client = RedisClient.create(server.uri());
            var meter = client.connect().sync();
            var redisson = RedisThroughput.redisson(server.uri());
            try {
                redis = TestBed.describe(meter);
                TestBed.connect(tollgate);
                var agents = new int[AGENTS];
                for (int i = 0; i < AGENTS; i++) agents[i] = i;
                var chunks = new Limiters.TollgateChunks(tollgate, LIMIT, AGENTS, true);
                rows.add(inRedis(meter, "Tollgate's pipeline, all committed", () -> eachTogether(chunks, agents, 0)));
                // The bucket of an agent whose next request comes before the last one is committed.
                rows.add(inRedis(
                        meter, "Tollgate's pipeline, one decision uncommitted", () -> eachTogether(chunks, agents, 1)));
                var compact = meter.configGet(COMPACT);
                meter.configSet(COMPACT, "64");
                rows.add(inRedis(
                        meter,
                        "Tollgate's pipeline, all committed, Redis as it comes",
                        () -> eachTogether(chunks, agents, 0)));
                meter.configSet(compact);
                var single = new Limiters.TollgateSingle(tollgate, LIMIT);
                rows.add(inRedis(meter, "Tollgate's library", () -> each(single::spendNow)));
                var floor = Limiters.floor(client, LIMIT);
                rows.add(inRedis(meter, "the shared layout alone", () -> each(floor::spendNow)));
                var bucket4j = new Limiters.Bucket4jRedis(client, LIMIT);
                rows.add(inRedis(meter, "Bucket4j", () -> each(bucket4j::spendNow)));
                var rateLimiter = new Limiters.Redisson(redisson, LIMIT);
                rows.add(inRedis(meter, "Redisson RRateLimiter, " + REQUESTS_EACH + " requests in its window", () -> {
                    for (int i = 0; i < AGENTS; i++) {
                        rateLimiter
                                .prepare(Workload.agentName(i))
                                .toCompletableFuture()
                                .join();
                    }
                    each(rateLimiter::spendNow);
                }));
                var gateway = Limiters.gateway(client, LIMIT);
                rows.add(inRedis(meter, "Spring Cloud Gateway's way", () -> each(gateway::spendNow)));
            } finally {
                redisson.shutdown(0, 1, TimeUnit.SECONDS);
                client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
            }
        }
        int policies = output.quick() ? 100_000 : 1_000_000;
        rows.add(row(
                "heap for each of " + policies + " policies, 20 different", 1, PolicyMemory.bytesEach(policies, 20)));
        rows.add(row(
                "heap for each of " + policies + " policies, all different",
                1,
                PolicyMemory.bytesEach(policies, policies)));
        rows.add(inRocksDb(output.quick() ? 20_000 : 200_000));
        output.save("memory", redis, rows, "name");
        return 0;
    }

    @FunctionalInterface
    private interface Spender {
        boolean spend(String agentId, double cost);
    }

    private static void each(Spender spender) {
        for (int n = 0; n < REQUESTS_EACH; n++) {
            for (int i = 0; i < AGENTS; i++) spender.spend(Workload.agentName(i), 1);
        }
    }

    private static void eachTogether(Limiters.TollgateChunks chunks, int[] agents, int uncommitted) {
        for (int n = 0; n < REQUESTS_EACH; n++)
            chunks.spend(agents, uncommitted).join();
    }

    private static ObjectNode inRedis(RedisCommands<String, String> meter, String name, Runnable spending) {
        meter.flushall();
        spending.run();
        long bytes = 0;
        long keys = 0;
        var scan = ScanIterator.scan(meter, ScanArgs.Builder.limit(1000));
        Set<String> seen = new HashSet<>();
        while (scan.hasNext()) {
            var key = scan.next();
            if (!key.contains("agent-") || !seen.add(key)) continue;
            keys++;
            bytes += meter.memoryUsage(key);
        }
        return row(name, keys / (double) AGENTS, bytes / (double) AGENTS);
    }

    private static ObjectNode row(String name, double keys, double bytes) {
        var row = Results.row();
        row.put("name", name);
        row.put("keys", Math.round(keys));
        row.put("bytes", bytes);
        Output.say("%-55s %.0f keys %8.1f bytes", name, keys, bytes);
        return row;
    }

    /** Lets the real application decide locally for a while and end cleanly, so that its state is in table files. */
    private static ObjectNode inRocksDb(long records) throws IOException {
        try (var testBed = TestBed.open()) {
            var topic = testBed.preload(Workload.UNIFORM, records);
            try (var running = testBed.start(Contestant.TOLLGATE_LOCAL, topic, Map.of())) {
                running.awaitCommitted(records, Duration.ofSeconds(180));
                running.process().terminate();
                running.process().awaitExit(Duration.ofSeconds(20));
                return row("Tollgate's RocksDB", 1, (double) running.tableBytes() / agents(records));
            }
        }
    }

    /** Returns the number of agents that send at least one of so many requests. */
    private static double agents(long records) {
        return Workload.AGENTS * (1 - Math.exp(-records / (double) Workload.AGENTS));
    }
}
