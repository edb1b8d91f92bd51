package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TokenBucketTest {
    private static final Limit HUNDRED_TEN_PER_SECOND = new Limit(100, 10);
    private static final Terms TERMS = Terms.of(HUNDRED_TEN_PER_SECOND);
    private static final long NOW = 1_700_000_000_000_000L;
    private static final double NOW_SECONDS = 1_700_000_000;

    @Test
    void refillsHalfASecondOfTokens() {
        var refilled = TokenBucket.refill(new Bucket(0, 0), HUNDRED_TEN_PER_SECOND, 0.5);

        assertThat(refilled).isEqualTo(new Bucket(5, 0.5));
    }

    @Test
    void neverRefillsAboveCapacity() {
        var refilled = TokenBucket.refill(new Bucket(99, 0), HUNDRED_TEN_PER_SECOND, 3600);

        assertThat(refilled).isEqualTo(new Bucket(100, 3600));
    }

    @Test
    void clockStepBackTakesNothing() {
        var refilled = TokenBucket.refill(new Bucket(7, 1000), HUNDRED_TEN_PER_SECOND, 900);

        assertThat(refilled).isEqualTo(new Bucket(7, 1000));
    }

    @Test
    void noSecondIsCreditedTwice() {
        var bucket = new Bucket(0, 1000);
        for (double now : new double[] {1001, 1000, 1001, 1000.5, 1001}) {
            bucket = TokenBucket.refill(bucket, HUNDRED_TEN_PER_SECOND, now);
        }

        assertThat(bucket).isEqualTo(new Bucket(10, 1001));
    }

    @Test
    void smallerCapacityCutsTheBucket() {
        var refilled = TokenBucket.refill(new Bucket(5000, 10), HUNDRED_TEN_PER_SECOND, 10);

        assertThat(refilled.tokens()).isEqualTo(100);
    }

    @Test
    void debtIsRefilledFromBelowZero() {
        var refilled = TokenBucket.refill(new Bucket(-20, 0), HUNDRED_TEN_PER_SECOND, 1);

        assertThat(refilled.tokens()).isEqualTo(-10);
    }

    @Test
    void smallerCostStillFitsAfterARefusal() {
        var outcome = spend(new Bucket(10, NOW_SECONDS), 6, 5, 4);

        assertThat(outcome.decisions())
                .containsExactly(
                        new Approved(4, NOW, DecidedBy.LOCAL, TERMS),
                        new QuotaExceeded(4, Optional.of(Duration.ofMillis(101)), NOW, DecidedBy.LOCAL, TERMS, 0),
                        new Approved(0, NOW, DecidedBy.LOCAL, TERMS));
        assertThat(outcome.bucket()).isEqualTo(new Bucket(0, NOW_SECONDS));
    }

    @Test
    void exactCostIsApproved() {
        assertThat(spend(new Bucket(10, NOW_SECONDS), 10).decisions().get(0).isApproved())
                .isTrue();
    }

    @Test
    void emptyBucketCoversCostOfZero() {
        var outcome = spend(new Bucket(0, NOW_SECONDS), 0, -0.0);

        assertThat(outcome.decisions()).allMatch(Decision::isApproved);
        assertThat(outcome.bucket().tokens()).isZero();
    }

    @Test
    void debtDoesNotCoverCostOfZero() {
        var outcome = spend(new Bucket(-5, NOW_SECONDS), 0, -0.0);

        assertThat(outcome.decisions()).noneMatch(Decision::isApproved);
        assertThat(outcome.bucket().tokens()).isEqualTo(-5);
    }

    @Test
    void costAboveCapacityHasNoRetry() {
        var outcome = spend(new Bucket(40, NOW_SECONDS), 100.5);

        assertThat(outcome.decisions()).containsExactly(new CostExceedsCapacity(40, NOW, DecidedBy.LOCAL, TERMS, 0));
        assertThat(outcome.bucket().tokens()).isEqualTo(40);
    }

    @Test
    void noRefillMeansNoRetry() {
        var outcome = TokenBucket.spend(
                new Bucket(1, NOW_SECONDS),
                Fence.NONE,
                new Limit(100, 0),
                -1,
                List.of(Charge.of(2)),
                NOW + 3_600_000_000L,
                DecidedBy.LOCAL);

        assertThat(outcome.decisions()).singleElement().isInstanceOfSatisfying(QuotaExceeded.class, refused -> {
            assertThat(refused.remainingTokens()).isEqualTo(1);
            assertThat(refused.retryAfter()).isEmpty();
            assertThat(refused.decidedAtMicros()).isEqualTo(NOW + 3_600_000_000L);
        });
    }

    @Test
    void bucketAheadDecidesAtItsOwnTime() {
        var outcome = spend(new Bucket(10, NOW_SECONDS + 0.25), 1);

        assertThat(outcome.decisions().get(0).decidedAtMicros()).isEqualTo(NOW + 250_000);
        assertThat(outcome.bucket().lastRefillSeconds()).isEqualTo(NOW_SECONDS + 0.25);
    }

    @Test
    void withoutChargesOnlyRefills() {
        var outcome = spend(new Bucket(10, NOW_SECONDS - 1));

        assertThat(outcome.bucket()).isEqualTo(new Bucket(20, NOW_SECONDS));
        assertThat(outcome.decisions()).isEmpty();
        assertThat(outcome.fence()).isEqualTo(Fence.NONE);
    }

    @Test
    void microsBecomeTheNearestDouble() {
        assertThat(TokenBucket.seconds(1_700_000_000_123_456L)).isEqualTo(1_700_000_000.123456);
        assertThat(TokenBucket.seconds(0)).isZero();
    }

    // The fence.

    @Test
    void replayChargesNothing() {
        var charges = List.of(new Charge(10, 60), new Charge(12, 60), new Charge(15, 40));
        var first = spendFenced(new Bucket(100, NOW_SECONDS), Fence.NONE, -1, charges, NOW);

        var again = spendFenced(first.bucket(), first.fence(), -1, charges, NOW + 1000);

        assertThat(verdicts(first)).containsExactly(true, false, true);
        assertThat(verdicts(again)).containsExactly(true, false, true);
        assertThat(again.replays()).isEqualTo(3);
        assertThat(again.bucket().tokens()).isCloseTo(0.01, within(1e-5));
        assertThat(again.decisions()).allMatch(decision -> decision.decidedAtMicros() == NOW);
        assertThat(again.fence()).isEqualTo(first.fence());
    }

    @Test
    void onlyNewRequestsAreCharged() {
        var first = spendFenced(new Bucket(100, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(1, 10)), NOW);

        var both = spendFenced(first.bucket(), first.fence(), -1, List.of(new Charge(1, 10), new Charge(2, 30)), NOW);

        assertThat(both.replays()).isEqualTo(1);
        assertThat(both.bucket().tokens()).isEqualTo(60);
        assertThat(both.fence().lastOffset()).isEqualTo(2);
        assertThat(both.fence().groups()).hasSize(2);
    }

    @Test
    void recallTellsWhichWereApproved() {
        var all = spendFenced(
                new Bucket(100, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(1, 1), new Charge(2, 1)), NOW);
        var some = spendFenced(
                new Bucket(10, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(1, 11), new Charge(2, 1)), NOW);
        var none = spendFenced(
                new Bucket(10, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(1, 11), new Charge(2, 12)), NOW);

        assertThat(all.fence().groups().get(0).allApproved()).isTrue();
        assertThat(all.fence().recall(1).orElseThrow().approved(1)).isTrue();
        assertThat(some.fence().groups().get(0).approvedOffsets()).containsExactly(2L);
        assertThat(some.fence().recall(1).orElseThrow().approved(1)).isFalse();
        assertThat(some.fence().recall(2).orElseThrow().approved(2)).isTrue();
        assertThat(none.fence().groups().get(0).allApproved()).isFalse();
        assertThat(none.fence().groups().get(0).approvedOffsets()).isEmpty();
        assertThat(none.fence().recall(3)).isEmpty();
    }

    @Test
    void replayKeepsCostAboveCapacity() {
        var charges = List.of(new Charge(1, 500));
        var first = spendFenced(new Bucket(100, NOW_SECONDS), Fence.NONE, -1, charges, NOW);

        var again = spendFenced(first.bucket(), first.fence(), -1, charges, NOW + 1000);

        assertThat(again.decisions()).isEqualTo(first.decisions());
    }

    @Test
    void commitDropsOlderGroups() {
        var bucket = new Bucket(100, NOW_SECONDS);
        var fence = Fence.NONE;
        for (int offset = 1; offset <= 5; offset++) {
            fence = spendFenced(bucket, fence, -1, List.of(new Charge(offset, 1)), NOW)
                    .fence();
        }

        var next = spendFenced(bucket, fence, 3, List.of(new Charge(6, 1)), NOW).fence();

        assertThat(next.groups().stream().map(Fence.Group::lastOffset)).containsExactly(6L, 5L, 4L);
    }

    @Test
    void lastOffsetOutlivesTheCommit() {
        var first = spendFenced(new Bucket(100, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(7, 1)), NOW);

        var idle = spendFenced(first.bucket(), first.fence(), 7, List.of(), NOW + 1000);

        assertThat(idle.fence().lastOffset()).isEqualTo(7);
    }

    @Test
    void rereadAfterCommitIsDecidedAfresh() {
        var bucket = new Bucket(100, NOW_SECONDS);
        var fence = Fence.NONE;
        for (int offset = 0; offset < 10; offset++) {
            var outcome = spendFenced(bucket, fence, offset - 1, List.of(new Charge(offset, 1)), NOW);
            bucket = outcome.bucket();
            fence = outcome.fence();
        }

        // The group was reset to the beginning: nothing is known to be committed.
        for (int offset = 0; offset < 9; offset++) {
            var outcome = spendFenced(bucket, fence, -1, List.of(new Charge(offset, 1)), NOW);
            assertThat(outcome.decisions().get(0).isApproved()).isTrue();
            assertThat(outcome.replays()).as("offset %s", offset).isZero();
            bucket = outcome.bucket();
            fence = outcome.fence();
        }

        assertThat(bucket.tokens()).isEqualTo(100 - 10 - 9);
        assertThat(fence.lastOffset()).isEqualTo(9);
    }

    @Test
    void rereadWithoutGroupsIsDecidedAfresh() {
        var first = spendFenced(
                new Bucket(100, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(0, 1), new Charge(9, 1)), NOW);
        var idle = spendFenced(first.bucket(), first.fence(), 9, List.of(), NOW);
        var bucket = idle.bucket();
        var fence = idle.fence();

        for (int offset = 0; offset < 10; offset++) {
            var outcome = spendFenced(bucket, fence, -1, List.of(new Charge(offset, 1)), NOW);
            assertThat(outcome.decisions().get(0).isApproved())
                    .as("offset %s", offset)
                    .isTrue();
            bucket = outcome.bucket();
            fence = outcome.fence();
        }

        assertThat(bucket.tokens()).isEqualTo(100 - 2 - 10);
    }

    @Test
    void unorderedChargeLeavesTheFence() {
        var first = spendFenced(new Bucket(100, NOW_SECONDS), Fence.NONE, -1, List.of(new Charge(7, 1)), NOW);

        var outcome = spendFenced(first.bucket(), first.fence(), -1, List.of(Charge.of(9)), NOW);

        assertThat(outcome.replays()).isZero();
        assertThat(outcome.bucket().tokens()).isEqualTo(90);
        assertThat(outcome.fence()).isEqualTo(first.fence());
    }

    private static TokenBucket.Outcome spend(Bucket bucket, double... costs) {
        var charges = java.util.Arrays.stream(costs).mapToObj(Charge::of).toList();
        return spendFenced(bucket, Fence.NONE, -1, charges, NOW);
    }

    private static TokenBucket.Outcome spendFenced(
            Bucket bucket, Fence fence, long committed, List<Charge> charges, long nowMicros) {
        return TokenBucket.spend(bucket, fence, HUNDRED_TEN_PER_SECOND, committed, charges, nowMicros, DecidedBy.LOCAL);
    }

    private static List<Boolean> verdicts(TokenBucket.Outcome outcome) {
        return outcome.decisions().stream().map(Decision::isApproved).toList();
    }
}
