package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every place where buckets live must do, wherever that is. */
public abstract class BucketsContract {
    private static final Limit NEVER_REFILLS = new Limit(100, 0);

    protected Buckets buckets;

    /** Returns buckets of a new and empty place, or of the same place again. */
    protected abstract Buckets open();

    @BeforeEach
    void openBuckets() {
        buckets = open();
    }

    @AfterEach
    void closeBuckets() {
        buckets.close();
    }

    @Test
    void newAgentHasFullBucket() {
        var decision = spend("new", NEVER_REFILLS, 40);

        assertThat(decision.isApproved()).isTrue();
        assertThat(decision.remainingTokens()).isEqualTo(60);
    }

    @Test
    void calendarRefusesUntilPeriodEnds() {
        var perMonth = Limit.each(Period.MONTH, "Asia/Kathmandu", 100);
        spend("monthly", perMonth, 70);

        var refused = (QuotaExceeded) spend("monthly", perMonth, 31);

        var calendar = (CalendarRefill) perMonth.refill();
        double decidedAt = TokenBucket.seconds(refused.decidedAtMicros());
        double wait = calendar.endOf(decidedAt) - decidedAt;
        assertThat(refused.remainingTokens()).isEqualTo(30);
        assertThat(refused.retryAfter().orElseThrow().toMillis() / 1e3).isCloseTo(wait, within(0.01));
        assertThat(spend("monthly", perMonth, 101)).isInstanceOf(CostExceedsCapacity.class);
        assertThat(spend("monthly", perMonth, 30).isApproved()).isTrue();
    }

    @Test
    void refusalTakesNothing() {
        spend("poor", NEVER_REFILLS, 70);

        var refused = spend("poor", NEVER_REFILLS, 31);

        assertThat(refused).isInstanceOfSatisfying(QuotaExceeded.class, quota -> {
            assertThat(quota.remainingTokens()).isEqualTo(30);
            assertThat(quota.retryAfter()).isEmpty();
        });
        assertThat(spend("poor", NEVER_REFILLS, 30).isApproved()).isTrue();
    }

    @Test
    void costAboveCapacityIsNeverCovered() {
        var refused = spend("greedy", NEVER_REFILLS, 100.5);

        assertThat(refused).isInstanceOf(CostExceedsCapacity.class);
        assertThat(refused.remainingTokens()).isEqualTo(100);
    }

    @Test
    void retryAfterIsLongEnough() {
        var limit = new Limit(10, 20);
        spend("patient", limit, 10);
        var refused = (QuotaExceeded) spend("patient", limit, 5);

        assertThat(refused.retryAfter().orElseThrow()).isBetween(Duration.ofMillis(1), Duration.ofMillis(251));
        var clock = new BucketClock();
        long due = clock.getAsLong() + refused.retryAfter().orElseThrow().toNanos() / 1000 + 1000;
        await().pollInterval(Duration.ofMillis(5)).until(() -> clock.getAsLong() >= due);
        assertThat(spend("patient", limit, 5).isApproved()).isTrue();
    }

    @Test
    void resetFillsTheBucket() {
        spend("again", NEVER_REFILLS, 100);

        buckets.reset("again", NEVER_REFILLS).toCompletableFuture().join();

        assertThat(look("again")).isEqualTo(100);
        assertThat(spend("again", NEVER_REFILLS, 100).isApproved()).isTrue();
    }

    @Test
    void lookTakesNothing() {
        assertThat(look("seen")).isEqualTo(100);
        spend("seen", NEVER_REFILLS, 12.25);

        assertThat(look("seen")).isEqualTo(87.75);
        assertThat(look("seen")).isEqualTo(87.75);
    }

    @Test
    void agentsHaveSeparateBuckets() {
        spend("one", NEVER_REFILLS, 100);

        assertThat(look("other")).isEqualTo(100);
        assertThat(spend("other", NEVER_REFILLS, 100).isApproved()).isTrue();
    }

    @Test
    void threadsSpendExactlyWhatFits() throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        try {
            var tasks = new ArrayList<Callable<Integer>>();
            for (int t = 0; t < 8; t++) {
                tasks.add(() -> {
                    int admitted = 0;
                    for (int i = 0; i < 50; i++) {
                        if (spend("crowded", NEVER_REFILLS, 1).isApproved()) admitted++;
                    }
                    return admitted;
                });
            }
            int admitted = 0;
            for (var result : pool.invokeAll(tasks)) admitted += result.get();

            assertThat(admitted).isEqualTo(100);
            assertThat(look("crowded")).isZero();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void asyncCallsSpendExactlyWhatFits() {
        var calls = IntStream.range(0, 300)
                .mapToObj(i -> buckets.spend("pipelined", NEVER_REFILLS, 1).toCompletableFuture())
                .toList();
        CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new)).join();

        assertThat(calls.stream().filter(call -> call.join().isApproved()).count())
                .isEqualTo(100);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1, -0.001, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1.1e12})
    void illegalCostTakesNothing(double cost) {
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.spend("wrong", NEVER_REFILLS, cost));

        assertThat(look("wrong")).isEqualTo(100);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a\nb", "\ud800"})
    void illegalAgentIdIsAnError(String agentId) {
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.spend(agentId, NEVER_REFILLS, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.look(agentId, NEVER_REFILLS));
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.reset(agentId, NEVER_REFILLS));
    }

    @Test
    void emptyBucketCoversCostOfZero() {
        spend("free", NEVER_REFILLS, 100);

        assertThat(spend("free", NEVER_REFILLS, 0).isApproved()).isTrue();
    }

    @Test
    void decisionCarriesItsTime() {
        long wall = new BucketClock().getAsLong();

        assertThat((double) spend("timed", NEVER_REFILLS, 1).decidedAtMicros()).isCloseTo(wall, within(5e6));
    }

    @Test
    void settlementGivesBackAndCharges() {
        spend("settles", NEVER_REFILLS, 60);

        assertThat(settle("settles", -25.5)).isEqualTo(65.5);
        assertThat(settle("settles", 5.5)).isEqualTo(60);
        assertThat(look("settles")).isEqualTo(60);
    }

    @Test
    void settlementStaysWithinCapacity() {
        spend("capped", NEVER_REFILLS, 10);

        assertThat(settle("capped", -60)).isEqualTo(100);
        assertThat(settle("never-seen", -60)).isEqualTo(100);
    }

    @Test
    void settlementMayLeaveADebt() {
        spend("owing", NEVER_REFILLS, 90);

        assertThat(settle("owing", 50)).isEqualTo(-40);
        assertThat(spend("owing", NEVER_REFILLS, 1)).isInstanceOf(QuotaExceeded.class);
        assertThat(settle("owing", -41)).isEqualTo(1);
        assertThat(spend("owing", NEVER_REFILLS, 1).isApproved()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, -1.1e12, 1.1e12})
    void illegalSettlementIsAnError(double cost) {
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.settle("wrong", NEVER_REFILLS, cost));
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.settle("", NEVER_REFILLS, 1));
    }

    /** Returns what is left. */
    private double settle(String agentId, double cost) {
        return buckets.settle(agentId, NEVER_REFILLS, cost)
                .toCompletableFuture()
                .orTimeout(10, TimeUnit.SECONDS)
                .join()
                .remainingTokens();
    }

    protected final Decision spend(String agentId, Limit limit, double cost) {
        return buckets.spend(agentId, limit, cost)
                .toCompletableFuture()
                .orTimeout(10, TimeUnit.SECONDS)
                .join();
    }

    protected final double look(String agentId) {
        return buckets.look(agentId, NEVER_REFILLS).toCompletableFuture().join().tokens();
    }
}
