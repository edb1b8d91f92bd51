package io.tollgate.memoryredis;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.memoryredis.ScriptCodec.Operation;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Whatever may be asked of the script, likely or not: several limits, policies that change, copies that stand anyhow to what Redis
 * holds, fields that others have written or damaged.
 */
final class RandomSpends {
    private static final List<String> AGENTS = List.of("a", "b", "c");
    private static final long[] SOURCES = {SpendRequest.NO_SOURCE, 17, 17, 17, -1, 0x1234_5678_9abc_def0L};
    private static final long[] STEPS_MICROS = {0, 1, 700, 100_000, 1_000_000, 70_000_000, 4_000_000_000L};
    private static final double[] COSTS = {0, 0.1, 1, 1, 2, 3, 7, 1e-9, 1e11};
    private static final String[] NUMBERS = {
        "abc", "nan", "inf", "0x10", "-3", "1e-7", "2.5", "", "1e300", "99999999999"
    };
    private static final String[] NAMES = {"a", "day", "x-1"};

    private final Random random;
    private final MemoryRedis redis;
    private final List<Terms> terms = new ArrayList<>();
    private final Map<String, AgentBuckets> known = new HashMap<>();
    private long micros = 1_767_225_600_000_000L;

    private RandomSpends(long seed, MemoryRedis redis) {
        random = new Random(seed);
        this.redis = redis;
        for (int i = 0; i < 5; i++) terms.add(randomTerms());
    }

    /** Makes so many calls. */
    static void run(long seed, int calls, MemoryRedis redis) {
        var spends = new RandomSpends(seed, redis);
        redis.clear();
        for (int i = 0; i < calls; i++) spends.call();
    }

    private void call() {
        micros += STEPS_MICROS[random.nextInt(STEPS_MICROS.length)];
        redis.setNow(micros);
        if (random.nextInt(6) == 0) meddle(AGENTS.get(random.nextInt(AGENTS.size())));
        int kind = random.nextInt(20);
        var operation = kind == 0 ? Operation.LOOK : kind == 1 ? Operation.RESET : Operation.SPEND;
        int first = random.nextInt(AGENTS.size());
        var spends = IntStream.range(first, AGENTS.size())
                .mapToObj(i -> spend(AGENTS.get(i), operation))
                .toList();
        var results = ScriptCodec.answers(
                redis.run(ScriptCodec.keys(spends), ScriptCodec.arguments(operation, spends)), spends);
        for (int i = 0; i < spends.size(); i++) {
            var answer = results.answers().get(i);
            if (answer instanceof SpendResult.Decided decided)
                known.put(spends.get(i).agentId(), decided.buckets());
        }
    }

    private void meddle(String agent) {
        var key = "quota:" + agent + ":tokens";
        var number = NUMBERS[random.nextInt(NUMBERS.length)];
        switch (random.nextInt(8)) {
            case 0 -> redis.delete(key);
            case 1 -> redis.setString(key);
            default -> {
                if (redis.isString(key)) redis.delete(key);
                var names = new ArrayList<>(redis.fields(key).keySet());
                var name = names.isEmpty() ? "tokens" : names.get(random.nextInt(names.size()));
                var value = redis.fields(key).getOrDefault(name, "");
                boolean cut = name.equals("fence") || name.equals("terms");
                redis.put(key, name, cut ? value.substring(0, random.nextInt(value.length() + 1)) : number);
            }
        }
    }

    private SpendRequest spend(String agent, Operation operation) {
        long source = SOURCES[random.nextInt(SOURCES.length)];
        long committed = random.nextInt(3) == 0 ? random.nextInt(30) : -1;
        var charges = new ArrayList<Charge>();
        long offset = random.nextInt(30);
        for (int i = operation == Operation.SPEND ? random.nextInt(5) : 0; i > 0; i--) {
            double cost = COSTS[random.nextInt(COSTS.length)];
            charges.add(source == SpendRequest.NO_SOURCE ? Charge.of(cost) : new Charge(offset, cost));
            offset += 1 + random.nextInt(3);
        }
        return new SpendRequest(
                agent,
                BucketKind.ENFORCED,
                promises(),
                charges,
                source,
                committed,
                random.nextBoolean(),
                random.nextInt(8) == 0 ? fence(1) : Fence.NONE,
                random.nextInt(5) == 0 ? null : copy(agent, source),
                micros / 1e6 + random.nextInt(200) - 150);
    }

    private SpendRequest.@Nullable Copy copy(String agent, long source) {
        var buckets = known.get(agent);
        if (buckets == null) return null;
        if (random.nextInt(4) == 0) buckets = meddledWith(buckets);
        var status = CopyStatus.values()[random.nextInt(CopyStatus.values().length)];
        var fence = random.nextBoolean() ? Fence.NONE : fence(3);
        var others = new ArrayList<SpendRequest.OfSource>();
        for (int i = random.nextInt(8) - 5; i > 0; i--) {
            long other = SOURCES[1 + random.nextInt(SOURCES.length - 1)];
            if (other == source) continue;
            var its = random.nextBoolean() ? Fence.NONE : fence(2);
            others.add(new SpendRequest.OfSource(other, random.nextInt(30) - 1, its));
        }
        double foreign = random.nextInt(3) == 0 ? random.nextInt(3) - 1 : 0;
        long through = random.nextBoolean() ? fence.lastOffset() : random.nextInt(30) - 1;
        return new SpendRequest.Copy(
                buckets, status, foreign, through, fence, others, adjustments(), random.nextInt(3) - 1);
    }

    /** Mostly none; sometimes the same again, more of the same, or others. */
    private Adjustments adjustments() {
        return random.nextInt(3) > 0
                ? Adjustments.NONE
                : new Adjustments(micros - random.nextInt(3), random.nextBoolean(), random.nextInt(5) - 2.5);
    }

    private AgentBuckets meddledWith(AgentBuckets buckets) {
        var changed = new ArrayList<Bucket>();
        for (var bucket : buckets.buckets()) {
            changed.add(new Bucket(
                    bucket.tokens() + random.nextInt(3) - 1, bucket.lastRefillSeconds() + random.nextInt(3) - 1));
        }
        return new AgentBuckets(buckets.terms(), changed);
    }

    private Fence fence(int most) {
        var fence = Fence.NONE;
        long offset = random.nextInt(10);
        for (int i = 1 + random.nextInt(most); i > 0; i--) {
            long last = offset + random.nextInt(4);
            boolean all = random.nextBoolean();
            var approved = all || last == offset ? List.<Long>of() : List.of(offset);
            long decided = micros - random.nextInt(1000);
            fence = fence.plus(new Fence.Group(offset, last, decided, random.nextInt(20), all, approved));
            offset = last + 1 + random.nextInt(3);
        }
        return fence;
    }

    private Promises promises() {
        var now = terms.get(random.nextInt(random.nextInt(3) == 0 ? terms.size() : 1));
        if (random.nextInt(4) > 0) return Promises.of(now);
        double since = micros / 1e6 - random.nextInt(200);
        var earlier = new ArrayList<Promises.Earlier>();
        for (int i = random.nextInt(3); i > 0; i--) {
            earlier.add(new Promises.Earlier(
                    terms.get(random.nextInt(terms.size())), since - (double) i * random.nextInt(100)));
        }
        return new Promises(now, since, earlier);
    }

    private Terms randomTerms() {
        long policy = random.nextLong();
        if (random.nextInt(2) == 0) return new Terms(policy, List.of(NamedLimit.only(limit())));
        return new Terms(
                policy,
                IntStream.range(random.nextInt(2), NAMES.length)
                        .mapToObj(i -> new NamedLimit(NAMES[i], limit()))
                        .toList());
    }

    private Limit limit() {
        double[] capacities = {1, 7.7, 10, 10, 1e12, 1e-6, 1.0 / 3};
        if (random.nextInt(3) == 0) {
            var period = random.nextInt(3) > 0 ? Period.MINUTE : Period.HOUR;
            return Limit.each(period, "Asia/Kathmandu", capacities[random.nextInt(capacities.length)]);
        }
        double[] rates = {0, 0, 1, 1e-9, 1e6, Math.PI};
        return new Limit(capacities[random.nextInt(capacities.length)], rates[random.nextInt(rates.length)]);
    }
}
