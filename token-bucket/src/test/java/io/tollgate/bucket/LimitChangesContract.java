package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The effect of changed limits on the tokens, wherever the buckets live. Expected values are computed here from the
 * buckets' own times, and must match to the last bit.
 */
public abstract class LimitChangesContract {
    private static final double OLD_RATE = 1000;

    private long offset;

    /** The buckets after one call. */
    protected record Step(AgentBuckets buckets, Decision decision) {
        double tokens(int limit) {
            return buckets.buckets().get(limit).tokens();
        }

        double seconds() {
            return buckets.first().lastRefillSeconds();
        }
    }

    /** Charges the agent of this test, under these terms from now on. The first call finds no bucket. */
    protected abstract Step spend(Terms terms, Charge charge);

    @Test
    void smallerCapacityCutsAtOnce() {
        spend(10, only(100, 0));

        assertThat(spend(1, only(30, 0)).tokens(0)).isEqualTo(29);
    }

    @Test
    void largerCapacityGivesNothing() {
        var poor = spend(40, only(100, 0));
        var seen = spend(0, only(1e6, OLD_RATE));
        assertThat(seen.tokens(0)).as("no gift").isEqualTo(poor.tokens(0));

        pass();
        var filling = spend(1, only(1e6, OLD_RATE));
        assertThat(filling.tokens(0)).isEqualTo(60 + (filling.seconds() - seen.seconds()) * OLD_RATE - 1);
    }

    @Test
    void earlierTimeCountsAtTheEarlierRate() {
        var before = spend(90_000, only(100_000, OLD_RATE));
        pass();
        var seen = spend(5, only(100_000, 0));
        double gained = (seen.seconds() - before.seconds()) * OLD_RATE;
        assertThat(gained).isPositive();
        assertThat(seen.tokens(0)).isEqualTo(10_000 + gained - 5);

        pass();
        assertThat(spend(0, only(100_000, 0)).tokens(0))
                .as("and no more from now on")
                .isEqualTo(seen.tokens(0));
    }

    @Test
    void smallerCapacityCutsTheGainToo() {
        spend(90_000, only(100_000, OLD_RATE));
        pass();

        assertThat(spend(0, only(50, 7)).tokens(0)).isEqualTo(50);
    }

    @Test
    void addedLimitStartsFull() {
        spend(40, limits(named("burst", 100)));

        var both = spend(5, limits(named("burst", 100), named("day", 1000)));

        assertThat(both.tokens(0)).isEqualTo(55);
        assertThat(both.tokens(1)).isEqualTo(995);
    }

    @Test
    void limitAddedAgainStartsFull() {
        spend(40, limits(named("burst", 100), named("day", 1000)));

        assertThat(spend(5, limits(named("burst", 100))).tokens(0)).isEqualTo(55);
        var again = spend(5, limits(named("burst", 100), named("day", 1000)));

        assertThat(again.tokens(0)).isEqualTo(50);
        assertThat(again.tokens(1)).isEqualTo(995);
    }

    @Test
    void renamedFirstLimitKeepsItsBucket() {
        spend(40, limits(named("burst", 100), named("day", 1000)));

        var renamed = spend(5, limits(named("minute", 100), named("day", 1000)));

        assertThat(renamed.tokens(0)).isEqualTo(55);
        assertThat(renamed.tokens(1)).isEqualTo(955);
    }

    @Test
    void otherRenamedLimitStartsFull() {
        spend(40, limits(named("burst", 100), named("day", 1000)));

        var renamed = spend(5, limits(named("burst", 100), named("week", 1000)));

        assertThat(renamed.tokens(0)).isEqualTo(55);
        assertThat(renamed.tokens(1)).isEqualTo(995);
    }

    @Test
    void reorderedLimitsKeepTheirTokens() {
        spend(40, limits(named("burst", 100), named("day", 1000)));

        var turned = spend(5, limits(named("day", 1000), named("burst", 100)));

        assertThat(turned.tokens(0)).isEqualTo(955);
        assertThat(turned.tokens(1)).isEqualTo(55);
    }

    @Test
    void unnamedLimitKeepsTheFirstBucket() {
        spend(40, limits(named("burst", 100), named("day", 1000)));

        assertThat(spend(5, only(100, 0)).tokens(0)).isEqualTo(55);
    }

    @Test
    void refusalByNewLimitChargesNothing() {
        spend(40, limits(named("burst", 100)));

        var refused = spend(20, limits(named("burst", 100), named("tiny", 10)));

        assertThat(refused.decision())
                .isInstanceOfSatisfying(
                        Decision.CostExceedsCapacity.class,
                        by -> assertThat(by.refusedBy().name()).isEqualTo("tiny"));
        assertThat(refused.tokens(0)).isEqualTo(60);
        assertThat(refused.tokens(1)).isEqualTo(10);
    }

    @Test
    void replayKeepsTheAnswerBeforeAChange() {
        var before = limits(named("burst", 100), named("day", 1000));
        var charge = new Charge(offset++, 40);
        var first = spend(before, charge);

        var again = spend(limits(named("burst", 10)), charge);

        assertThat(again.decision()).isEqualTo(first.decision());
        assertThat(again.decision().terms()).isEqualTo(before);
        assertThat(again.tokens(0)).as("cut, and not charged again").isEqualTo(10);
    }

    @Test
    void eachStretchCountsAtItsOwnRate() {
        double[] rates = {OLD_RATE, 3, 0, 1e5, 0.25, 777};
        var before = spend(600_000, only(1e6, rates[0]));
        double expected = 400_000;
        for (int i = 1; i < rates.length; i++) {
            pass();
            var now = spend(1, only(1e6, rates[i]));
            expected = expected + (now.seconds() - before.seconds()) * rates[i - 1] - 1;
            assertThat(now.tokens(0)).as("rate " + rates[i]).isEqualTo(expected, within(0.0));
            before = now;
        }
    }

    private Step spend(double cost, Terms terms) {
        return spend(terms, new Charge(offset++, cost));
    }

    /** Lets the clock go on, so that a wrong rate gives other tokens. */
    private static void pass() {
        var clock = new BucketClock();
        long until = clock.getAsLong() + 5_000;
        await().pollInterval(Duration.ofMillis(1)).until(() -> clock.getAsLong() >= until);
    }

    private static Terms only(double capacity, double rate) {
        return Terms.of(new Limit(capacity, rate));
    }

    private static Terms limits(NamedLimit... limits) {
        return new Terms(0, Stream.of(limits).toList());
    }

    private static NamedLimit named(String name, double capacity) {
        return new NamedLimit(name, new Limit(capacity, 0));
    }

    /** Returns a step of a call with one charge. */
    protected static Step step(AgentBuckets buckets, List<Decision> decisions) {
        return new Step(buckets, decisions.get(0));
    }
}
