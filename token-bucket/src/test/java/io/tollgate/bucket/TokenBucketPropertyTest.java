package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Decision.QuotaExceeded;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenBucketPropertyTest {
    private static final long START = 1_760_000_000_000_000L;

    private record Spent(double atSeconds, double tokens) {}

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void noIntervalAdmitsMoreThanItsBound(long seed) {
        var random = new Random(seed);
        for (int history = 0; history < 20; history++) {
            var limit = randomLimit(random);
            var bucket = Bucket.full(limit, TokenBucket.seconds(START));
            var spent = new ArrayList<Spent>();
            long now = START;
            for (int step = 0; step < 200; step++) {
                now += randomStepMicros(random); // at times backwards
                var charges =
                        randomCosts(random, limit).stream().map(Charge::of).toList();
                var outcome = TokenBucket.spend(bucket, Fence.NONE, limit, -1, charges, now, DecidedBy.LOCAL);
                for (int i = 0; i < charges.size(); i++) {
                    var decision = outcome.decisions().get(i);
                    if (decision.isApproved()) {
                        spent.add(new Spent(
                                decision.decidedAtMicros() / 1e6, charges.get(i).costTokens()));
                    }
                }
                assertThat(outcome.bucket().tokens()).isBetween(0.0, limit.capacityTokens());
                assertThat(outcome.bucket().lastRefillSeconds()).isGreaterThanOrEqualTo(bucket.lastRefillSeconds());
                bucket = outcome.bucket();
            }
            assertNoIntervalAdmittedTooMuch(spent, limit);
        }
    }

    private static void assertNoIntervalAdmittedTooMuch(List<Spent> spent, Limit limit) {
        for (int from = 0; from < spent.size(); from++) {
            double sum = 0;
            for (int to = from; to < spent.size(); to++) {
                sum += spent.get(to).tokens();
                double seconds = spent.get(to).atSeconds() - spent.get(from).atSeconds();
                assertThat(seconds).isNotNegative();
                // A microsecond for the time of the decision, which is rounded to one; 1e-9 for the doubles.
                double most = limit.capacityTokens() + limit.refillTokensPerSecond() * (seconds + 1e-6);
                assertThat(sum).isLessThanOrEqualTo(most * (1 + 1e-9));
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {11, 12, 13, 14, 15, 16})
    void retryAfterIsEnoughAndNotTooLong(long seed) {
        var random = new Random(seed);
        int refusals = 0;
        for (int i = 0; i < 20_000; i++) {
            double rate = Math.pow(10, random.nextDouble() * 9 - 3);
            double cost = random.nextBoolean() ? 1 + random.nextInt(1000) : Math.pow(10, random.nextDouble() * 6 - 3);
            var limit = new Limit(Math.max(cost, 1e-3) * (1 + random.nextDouble()), rate);
            long now = START + random.nextInt(2_000_000_000);
            var bucket = new Bucket(cost * random.nextDouble(), TokenBucket.seconds(now));
            var decision = decide(bucket, limit, cost, now);
            if (!(decision instanceof QuotaExceeded refused)) continue;
            refusals++;
            long wait = refused.retryAfter().orElseThrow().toNanos() / 1000;
            assertThat(decide(bucket, limit, cost, now + wait).isApproved())
                    .as("bucket %s, limit %s, cost %s, after %s us", bucket, limit, cost, wait)
                    .isTrue();
            if (wait > 2000) {
                assertThat(decide(bucket, limit, cost, now + wait - 2000).isApproved())
                        .as("bucket %s, limit %s, cost %s, 2 ms before %s us", bucket, limit, cost, wait)
                        .isFalse();
            }
        }
        assertThat(refusals).isGreaterThan(10_000);
    }

    private static Decision decide(Bucket bucket, Limit limit, double cost, long nowMicros) {
        var charge = List.of(Charge.of(cost));
        return TokenBucket.spend(bucket, Fence.NONE, limit, -1, charge, nowMicros, DecidedBy.LOCAL)
                .decisions()
                .get(0);
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {21, 22, 23, 24})
    void replayAfterCrashesChangesNothing(long seed) {
        var random = new Random(seed);
        var limit = new Limit(50, 20);
        var bucket = Bucket.full(limit, TokenBucket.seconds(START));
        var fence = Fence.NONE;
        var costs = new HashMap<Long, Double>();
        var verdicts = new HashMap<Long, Boolean>();
        double charged = 0;
        double gained = 0;
        long next = 0;
        long committed = -1;
        long now = START;
        for (int step = 0; step < 5000; step++) {
            now += random.nextInt(200_000);
            if (random.nextInt(10) == 0) next = committed + 1; // crash: Kafka gives everything uncommitted again
            var charges = new ArrayList<Charge>();
            for (int i = random.nextInt(5); i >= 0; i--) {
                charges.add(new Charge(next, costs.computeIfAbsent(next, offset -> random.nextInt(80) / 2.0)));
                next += 1;
            }
            double before =
                    TokenBucket.refill(bucket, limit, TokenBucket.seconds(now)).tokens();
            gained += before - bucket.tokens();
            var outcome = TokenBucket.spend(bucket, fence, limit, committed, charges, now, DecidedBy.LOCAL);
            for (int i = 0; i < charges.size(); i++) {
                boolean approved = outcome.decisions().get(i).isApproved();
                var earlier = verdicts.put(charges.get(i).offset(), approved);
                if (earlier == null && approved) charged += charges.get(i).costTokens();
                if (earlier != null) assertThat(approved).isEqualTo(earlier);
            }
            bucket = outcome.bucket();
            fence = Fence.decode(java.nio.ByteBuffer.wrap(outcome.fence().encode()));
            assertThat(fence).isEqualTo(outcome.fence());
            if (random.nextInt(4) == 0) committed = Math.max(committed, next - 1 - random.nextInt(20));
            if (committed >= next) committed = next - 1;
        }
        assertThat(bucket.tokens()).isCloseTo(50 + gained - charged, org.assertj.core.data.Offset.offset(1e-6));
        assertThat(charged).isGreaterThan(1000);
    }

    static Limit randomLimit(Random random) {
        double[] capacities = {1, 0.3, 7.7, 100, 1000, 12345.678, 1e6, 1e12, 1e-6};
        double[] rates = {0, 0.1, 1e-9, 1.0 / 3, 10, 99.99, 1e6, 1e11, 1e12};
        return new Limit(capacities[random.nextInt(capacities.length)], rates[random.nextInt(rates.length)]);
    }

    static long randomStepMicros(Random random) {
        return switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> -random.nextInt(5_000_000);
            case 2 -> random.nextInt(10);
            case 3 -> random.nextInt(60_000_000);
            default -> random.nextInt(1_000_000);
        };
    }

    static List<Double> randomCosts(Random random, Limit limit) {
        var costs = new ArrayList<Double>();
        for (int i = random.nextInt(4); i >= 0; i--) {
            costs.add(
                    switch (random.nextInt(7)) {
                        case 0 -> 0.0;
                        case 1 -> 0.1;
                        case 2 -> 1e-9;
                        case 3 -> 1e11;
                        case 4 -> limit.capacityTokens();
                        case 5 -> Math.min(Limit.LARGEST, limit.capacityTokens() * 1.0001);
                        default -> limit.capacityTokens() * random.nextDouble();
                    });
        }
        return costs;
    }
}
