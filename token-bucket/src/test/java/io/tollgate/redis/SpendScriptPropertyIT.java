package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Feeds Java and Lua the same random histories, and demands the same answers and the same state to the last bit. */
@Execution(ExecutionMode.CONCURRENT) // each seed has agents of its own
class SpendScriptPropertyIT {
    private static final int WRITTEN_BYTES = 24;
    /** -Pfuzz for a long run. */
    private static final int STEPS = Integer.getInteger("tollgate.fuzz.records", 10_000) / 10;

    private static final int AGENTS = 10;
    private static final long[] SOURCES = {SpendRequest.NO_SOURCE, 17, 0x1234_5678_9abc_def0L, -1};

    private static final String[] ZONES = {"UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"
    };

    private static RedisServer server;
    private static RedisBuckets redis;
    private static RedisClient client;
    private static RedisCommands<byte[], byte[]> commands;

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        redis = new RedisBuckets(RedisURI.create(server.uri()));
        redis.probe(Duration.ofSeconds(5));
        client = RedisClient.create(server.uri());
        commands = client.connect(ByteArrayCodec.INSTANCE).sync();
    }

    @AfterAll
    static void stop() {
        client.close();
        redis.close();
        server.close();
    }

    /** What Java believes of one agent. */
    private static final class Model {
        final String agentId;
        final Map<Long, Fence> fences = new HashMap<>();
        final Map<Long, Long> last = new HashMap<>();
        final Map<Long, Long> committed = new HashMap<>();
        final Map<Long, TreeMap<Long, Double>> costs = new HashMap<>(); // a replay asks for the same offsets and costs
        Terms terms;

        @Nullable
        AgentBuckets held;

        Model(String agentId, Terms terms) {
            this.agentId = agentId;
            this.terms = terms;
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void javaAndLuaAgreeToTheLastBit(long seed) throws Exception {
        var random = new Random(seed);
        var models = new ArrayList<Model>();
        for (int i = 0; i < AGENTS; i++) models.add(new Model("agent-" + seed + "-" + i, randomTerms(random)));
        int replays = 0;
        int refusals = 0;
        for (int step = 0; step < STEPS; step++) {
            Collections.shuffle(models, random);
            var chunk = models.subList(0, 1 + random.nextInt(AGENTS));
            for (Model model : chunk) meddle(model, random);
            var spends = chunk.stream().map(model -> randomSpend(model, random)).toList();

            var answers = redis.spend(spends).get();

            for (int i = 0; i < spends.size(); i++) {
                var answer = (SpendResult.Decided) answers.answers().get(i);
                var model = chunk.get(i);
                compare(model, spends.get(i), answer, answers.clockMicros(), "step " + step + " of seed " + seed);
                replays += answer.replays();
                refusals += (int) answer.decisions().stream()
                        .filter(decision -> !decision.isApproved())
                        .count();
            }
        }
        assertThat(replays).as("replays, which prove little if there are none").isGreaterThan(STEPS / 4);
        assertThat(refusals).as("refusals").isGreaterThan(STEPS / 4);
    }

    private static void compare(
            Model model, SpendRequest spend, SpendResult.Decided answer, long clockMicros, String where) {
        long source = spend.source();
        boolean ours = source != SpendRequest.NO_SOURCE;
        double clock = TokenBucket.seconds(clockMicros);
        var held = model.held == null ? AgentBuckets.full(spend.terms(), clock) : model.held;
        if (!ours) held = AgentBuckets.of(held.first()); // what other programs know
        var fence = model.fences.getOrDefault(source, Fence.NONE);
        var expected = TokenBucket.spend(
                held, fence, spend.promises(), spend.committedOffset(), spend.charges(), clockMicros, DecidedBy.REDIS);

        for (int i = 0; i < expected.buckets().buckets().size(); i++) {
            assertSame(
                    answer.buckets().buckets().get(i),
                    expected.buckets().buckets().get(i),
                    where + ", limit " + i);
        }
        assertThat(answer.decisions())
                .as(where)
                .isEqualTo(expected.decisions()); // records compare doubles by their bits
        assertThat(answer.replays()).as(where).isEqualTo(expected.replays());
        assertThat(answer.repaired()).as(where).isFalse();
        assertThat(answer.reconciled()).as(where).isFalse();

        if (ours) model.held = expected.buckets();
        else if (model.held == null) model.held = AgentBuckets.of(expected.bucket());
        else model.held = withBucket(model.held, 0, expected.bucket());
        compareStored(model, where);
        if (!ours) return;
        var hash = commands.hmget(SpendScript.key(model.agentId), utf8("fence"), utf8("terms"));
        var groups = storedGroups(hash.get(0).getValue()).getOrDefault(source, new byte[0]);
        assertThat(Fence.decode(ByteBuffer.wrap(groups))).as(where).isEqualTo(expected.fence());
        assertThat(hash.get(1).getValue()).as(where).isEqualTo(spend.terms().encode(spend.clockSeconds()));
        model.fences.put(source, expected.fence());
    }

    private static void compareStored(Model model, String where) {
        for (int i = 0; i < model.held.buckets().size(); i++) {
            var fields = commands.hmget(
                    SpendScript.key(model.agentId), field("tokens", model, i), field("last_refill", model, i));
            var stored = new Bucket(
                    number(fields.get(0).getValue()), number(fields.get(1).getValue()));
            assertSame(stored, model.held.buckets().get(i), where + ", stored limit " + i);
        }
    }

    private static byte[] field(String name, Model model, int limit) {
        return utf8(
                limit == 0
                        ? name
                        : name + ":" + model.held.terms().limits().get(limit).name());
    }

    private static AgentBuckets withBucket(AgentBuckets held, int limit, Bucket bucket) {
        var buckets = new ArrayList<>(held.buckets());
        buckets.set(limit, bucket);
        return new AgentBuckets(held.terms(), buckets);
    }

    private static void assertSame(Bucket actual, Bucket expected, String where) {
        assertThat(Double.doubleToRawLongBits(actual.tokens()))
                .as("%s: tokens %s, expected %s", where, actual.tokens(), expected.tokens())
                .isEqualTo(Double.doubleToRawLongBits(expected.tokens()));
        assertThat(Double.doubleToRawLongBits(actual.lastRefillSeconds()))
                .as("%s: last refill %s, expected %s", where, actual.lastRefillSeconds(), expected.lastRefillSeconds())
                .isEqualTo(Double.doubleToRawLongBits(expected.lastRefillSeconds()));
    }

    private static double number(byte[] text) {
        return Double.parseDouble(new String(text, StandardCharsets.UTF_8));
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Map<Long, byte[]> storedGroups(byte[] fence) {
        var bytes = ByteBuffer.wrap(fence).order(ByteOrder.LITTLE_ENDIAN).position(WRITTEN_BYTES);
        var groups = new HashMap<Long, byte[]>();
        while (bytes.hasRemaining()) {
            long source = bytes.getLong();
            var body = new byte[bytes.getInt()];
            bytes.get(body);
            groups.put(source, body);
        }
        return groups;
    }

    /** Time passes, other programs spend, an operator deletes the key or changes the limits. */
    private static void meddle(Model model, Random random) {
        int kind = random.nextInt(12);
        if (kind == 6) model.terms = randomTerms(random);
        if (model.held == null) return;
        int limit = random.nextInt(model.held.buckets().size());
        var bucket = model.held.buckets().get(limit);
        switch (kind) {
            case 0, 1, 2 -> {
                double seconds = random.nextDouble() * Math.pow(10, random.nextInt(11) - 3);
                // All of it longer ago, not another program that sets its clock back.
                for (int i = 0; i < model.held.buckets().size(); i++) {
                    var each = model.held.buckets().get(i);
                    write(model, i, new Bucket(each.tokens(), each.lastRefillSeconds() - seconds));
                }
                writtenBefore(model, seconds);
            }
            case 3 -> {
                double left = random.nextInt(20) == 0 ? -random.nextDouble() * 10 : bucket.tokens() / 3;
                write(model, limit, new Bucket(left, bucket.lastRefillSeconds()));
            }
            case 4 -> {
                if (random.nextInt(10) != 0) return;
                write(model, limit, new Bucket(bucket.tokens(), bucket.lastRefillSeconds() + random.nextInt(7200)));
            }
            case 5 -> {
                if (random.nextInt(10) != 0) return;
                commands.del(SpendScript.key(model.agentId));
                model.held = null;
                model.fences.clear();
            }
            default -> {
                // Mostly nobody meddles.
            }
        }
    }

    private static void write(Model model, int limit, Bucket bucket) {
        commands.hset(
                SpendScript.key(model.agentId),
                Map.of(
                        field("tokens", model, limit),
                        utf8(Double.toString(bucket.tokens())),
                        field("last_refill", model, limit),
                        utf8(Double.toString(bucket.lastRefillSeconds()))));
        model.held = withBucket(model.held, limit, bucket);
    }

    /** Lets the script take its last write for one that is longer ago. */
    private static void writtenBefore(Model model, double seconds) {
        byte[] key = SpendScript.key(model.agentId);
        byte[] fence = commands.hget(key, utf8("fence"));
        if (fence == null) return;
        var bytes = ByteBuffer.wrap(fence).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putDouble(Double.BYTES, bytes.getDouble(Double.BYTES) - seconds);
        var terms = Objects.requireNonNull(model.held).terms();
        double leftAt = model.held.first().lastRefillSeconds();
        commands.hset(key, utf8("fence"), fence);
        if (terms != null) commands.hset(key, utf8("terms"), terms.encode(leftAt));
    }

    /** Mostly a promise that counts from some moment about when the bucket was left, now and then after others. */
    private static Promises randomPromises(Model model, Random random) {
        if (model.held == null || random.nextInt(3) == 0) return Promises.of(model.terms);
        double leftAt = model.held.first().lastRefillSeconds();
        var moments = new double[1 + random.nextInt(3)];
        for (int i = 0; i < moments.length; i++) {
            moments[i] = leftAt + (random.nextDouble() - 0.2) * Math.pow(10, random.nextInt(5) - 1);
        }
        Arrays.sort(moments);
        var earlier = new ArrayList<Promises.Earlier>();
        for (int i = 0; i < moments.length - 1; i++) {
            earlier.add(new Promises.Earlier(randomTerms(random), moments[i]));
        }
        return new Promises(model.terms, moments[moments.length - 1], earlier);
    }

    private static SpendRequest randomSpend(Model model, Random random) {
        long source = SOURCES[random.nextInt(SOURCES.length)];
        var costs = randomCosts(model.terms.first(), random);
        if (source == SpendRequest.NO_SOURCE) {
            var charges = costs.stream().map(Charge::of).toList();
            return new SpendRequest(
                    model.agentId,
                    BucketKind.ENFORCED,
                    Promises.of(Terms.of(model.terms.first())),
                    charges,
                    source,
                    -1,
                    false,
                    Fence.NONE,
                    null,
                    clockSeconds(model, random));
        }
        long committed = model.committed.getOrDefault(source, -1L);
        long last = model.last.getOrDefault(source, -1L);
        if (random.nextInt(5) == 0) last = committed; // a crash: everything uncommitted once more
        if (random.nextInt(100) == 0) last = -1; // an operator wants everything once more
        var known = model.costs.computeIfAbsent(source, id -> new TreeMap<>());
        var charges = new ArrayList<Charge>();
        for (double cost : costs) {
            if (random.nextInt(30) == 0) {
                charges.add(Charge.of(cost));
                continue;
            }
            var next = known.higherEntry(last);
            last = next != null ? next.getKey() : last + 1 + (random.nextInt(4) == 0 ? random.nextInt(1000) : 0);
            if (next == null) known.put(last, cost);
            charges.add(new Charge(last, next != null ? next.getValue() : cost));
        }
        model.last.put(source, last);
        if (random.nextInt(3) == 0) committed = last - random.nextInt(10);
        model.committed.put(source, Math.max(-1, committed));
        return new SpendRequest(
                model.agentId,
                BucketKind.ENFORCED,
                randomPromises(model, random),
                charges,
                source,
                model.committed.get(source),
                false,
                Fence.NONE,
                null,
                clockSeconds(model, random));
    }

    /** Returns the time now, or a little before: a call may have been on its way for a while. Not before that of the bucket. */
    private static double clockSeconds(Model model, Random random) {
        double clock = System.currentTimeMillis() / 1e3 - random.nextInt(50);
        if (model.held == null) return clock;
        for (var bucket : model.held.buckets()) clock = Math.max(clock, bucket.lastRefillSeconds());
        return clock;
    }

    /** Mostly one nameless limit; else several of a few names, so that a change keeps some, drops some, and moves some. */
    private static Terms randomTerms(Random random) {
        long policy = random.nextLong();
        if (random.nextInt(3) == 0) return new Terms(policy, List.of(NamedLimit.only(randomLimit(random))));
        var names = new ArrayList<>(List.of("a", "day", "x-1", "per_month"));
        Collections.shuffle(names, random);
        return new Terms(
                policy,
                names.subList(0, 1 + random.nextInt(names.size())).stream()
                        .map(name -> new NamedLimit(name, randomLimit(random)))
                        .toList());
    }

    private static Limit randomLimit(Random random) {
        double[] capacities = {1, 0.3, 7.7, 100, 1000, 12345.678, 1e6, 1e12, 1e-6, 1.0 / 3};
        if (random.nextInt(3) == 0) {
            var period = Period.values()[random.nextInt(Period.values().length)];
            return Limit.each(period, ZONES[random.nextInt(ZONES.length)], capacities[random.nextInt(4)]);
        }
        double[] rates = {0, 0.1, 1e-9, 1.0 / 3, 10, 99.99, 1e6, 1e11, 1e12, Math.PI};
        return new Limit(capacities[random.nextInt(capacities.length)], rates[random.nextInt(rates.length)]);
    }

    private static List<Double> randomCosts(Limit limit, Random random) {
        var costs = new ArrayList<Double>();
        for (int i = random.nextInt(6); i >= 0; i--) {
            costs.add(
                    switch (random.nextInt(8)) {
                        case 0 -> 0.0;
                        case 1 -> 0.1;
                        case 2 -> 1e-9;
                        case 3 -> 1e11;
                        case 4 -> limit.capacityTokens();
                        case 5 -> Math.min(Limit.LARGEST, limit.capacityTokens() * 1.0001);
                        case 6 -> -0.0;
                        default -> limit.capacityTokens() * random.nextDouble();
                    });
        }
        return costs;
    }
}
