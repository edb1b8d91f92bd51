package io.tollgate.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Terms;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the store keeps of an agent is what the mirror held, whatever that was. */
class BucketCopyPropertyTest {
    private static final int BUCKETS = 500;

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void anyBucketSurvivesEncoding(long seed) {
        var random = new Random(seed);
        int mostLimits = 0;
        int mostFences = 0;
        for (int i = 0; i < BUCKETS; i++) {
            var bucket = bucket(random);
            mostLimits = Math.max(mostLimits, bucket.buckets().buckets().size());
            mostFences = Math.max(mostFences, bucket.fences().size());

            var read = BucketCopy.decode(bucket.encode());
            assertThat(read.buckets()).isEqualTo(bucket.buckets()); // records compare doubles by their bits
            assertThat(read.fences()).isEqualTo(bucket.fences());
            assertThat(read.decidedWithoutRedis()).isEqualTo(bucket.decidedWithoutRedis());
            assertThat(read.adjustments()).isEqualTo(bucket.adjustments());
            assertThat(read.isUntold()).isEqualTo(bucket.isUntold());
        }
        assertThat(mostLimits).isEqualTo(Terms.MAX_LIMITS);
        assertThat(mostFences).isGreaterThan(1);
    }

    /** What is kept in place, and what is not, follow upon each other. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void everyFenceIsItsLatest(long seed) {
        var random = new Random(seed);
        int inPlace = 0;
        for (int i = 0; i < BUCKETS; i++) {
            var bucket = bucket(random);
            var last = new HashMap<>(bucket.fences());
            for (int change = 0; change < 6; change++) {
                long source = 1 + random.nextInt(3);
                var fence = random.nextInt(3) == 0 ? fence(random) : simpleFence(random);
                bucket.hold(source, fence);
                last.put(source, fence);
                if (fence.groups().size() == 1 && bucket.fence(source) != fence) inPlace++;

                last.forEach((each, expected) -> {
                    assertThat(bucket.fence(each)).isEqualTo(expected);
                    assertThat(bucket.lastOffset(each)).isEqualTo(expected.lastOffset());
                });
            }
            var read = BucketCopy.decode(bucket.encode());
            last.forEach((each, expected) -> assertThat(read.fence(each)).isEqualTo(expected));
        }
        assertThat(inPlace).isGreaterThan(BUCKETS / 10);
    }

    /** None, or one group of decisions that were all alike, by one limit: what nearly every agent has. */
    private static Fence simpleFence(Random random) {
        if (random.nextInt(4) == 0) return Fence.NONE;
        long first = random.nextInt(1_000);
        var terms = random.nextBoolean() ? null : Terms.of(new Limit(1 + random.nextInt(1000), random.nextDouble()));
        return new Fence(List.of(new Fence.Group(
                first,
                first + random.nextInt(5),
                random.nextLong() >>> 11,
                terms,
                List.of(number(random)),
                random.nextBoolean(),
                List.of(),
                List.of())));
    }

    private static BucketCopy bucket(Random random) {
        var terms = random.nextInt(5) == 0 ? null : terms(random);
        int limits = terms == null ? 1 : terms.limits().size();
        var buckets = IntStream.range(0, limits)
                .mapToObj(i -> new Bucket(number(random), number(random)))
                .toList();
        var bucket = new BucketCopy(new AgentBuckets(terms, buckets), random.nextBoolean());
        if (random.nextInt(3) == 0) {
            long since = 1 + (random.nextLong() >>> 11);
            bucket.adjusted(
                    new Adjustments(since, random.nextBoolean(), random.nextInt(3) * number(random)),
                    random.nextBoolean());
        }
        for (int i = random.nextInt(4); i > 0; i--) bucket.hold(random.nextLong(), fence(random));
        return bucket;
    }

    private static double number(Random random) {
        return switch (random.nextInt(5)) {
            case 0 -> 0;
            case 1 -> -random.nextDouble() * 100;
            case 2 -> 1e12 * random.nextDouble();
            case 3 -> 1.7e9 + random.nextDouble();
            default -> random.nextDouble();
        };
    }

    private static Terms terms(Random random) {
        int count = random.nextBoolean() ? 1 : 1 + random.nextInt(Terms.MAX_LIMITS);
        var limits = new ArrayList<NamedLimit>();
        for (int i = 0; i < count; i++) {
            var name = count == 1 && random.nextBoolean() ? "" : i + "x".repeat(random.nextInt(NamedLimit.MAX_NAME));
            limits.add(new NamedLimit(name, new Limit(1 + random.nextInt(1000), random.nextDouble() * 10)));
        }
        return new Terms(random.nextLong(), limits);
    }

    /** Groups of one source, newest first, each with other terms. */
    private static Fence fence(Random random) {
        var groups = new ArrayList<Fence.Group>();
        long last = 1_000_000;
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            int decided = 1 + random.nextInt(20);
            long first = last - decided + 1;
            groups.add(group(random, first, last));
            last = first - 1 - random.nextInt(100);
        }
        return new Fence(groups);
    }

    private static Fence.Group group(Random random, long first, long last) {
        var terms = random.nextInt(6) == 0 ? null : terms(random);
        int limits = terms == null ? 1 : terms.limits().size();
        var tokens = IntStream.range(0, limits).mapToObj(i -> number(random)).toList();
        boolean all = random.nextBoolean();
        var approved = new ArrayList<Long>();
        var refusals = new ArrayList<Fence.Refusal>();
        for (long offset = first; !all && offset <= last; offset++) {
            if (random.nextBoolean()) approved.add(offset);
            else if (limits > 1) refusals.add(new Fence.Refusal(offset, random.nextInt(limits)));
        }
        List<Long> listed = all ? List.of() : approved;
        return new Fence.Group(first, last, random.nextLong() >>> 11, terms, tokens, all, listed, refusals);
    }
}
