package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ValueTypesTest {
    @ParameterizedTest
    @ValueSource(doubles = {0, -1, 1.0001e12, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void illegalCapacityIsNamed(double capacity) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Limit(capacity, 1))
                .withMessage("capacityTokens must be above 0 and at most 1e12, but is " + capacity);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1e-300, 1.0001e12, Double.NaN, Double.POSITIVE_INFINITY})
    void illegalRefillRateIsNamed(double rate) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Limit(1, rate))
                .withMessage("refillTokensPerSecond must be from 0 to 1e12, but is " + rate);
    }

    @Test
    void timeToFillIsCapacityByRate() {
        assertThat(new Limit(100, 10).waitSeconds(100, 0)).isEqualTo(10);
        assertThat(new Limit(100, 0).waitSeconds(100, 0)).isInfinite();
        assertThat(new Limit(Double.MIN_VALUE, 1e12).waitSeconds(Double.MIN_VALUE, 0))
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1, -Double.MIN_VALUE, 1.0001e12, Double.NaN, Double.POSITIVE_INFINITY})
    void illegalCostIsRefused(double cost) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Charge.of(cost))
                .withMessage("cost must be from 0 to 1e12 tokens, but is " + cost);
    }

    @Test
    void offsetBelowUnorderedIsRefused() {
        assertThat(new Charge(0, 1).offset()).isZero();
        assertThat(Charge.of(1).offset()).isEqualTo(Charge.UNORDERED);
        assertThatIllegalArgumentException().isThrownBy(() -> new Charge(-3, 1));
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void nonFiniteNumbersAreRefused(double number) {
        assertThatIllegalArgumentException().isThrownBy(() -> new Bucket(number, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> new Bucket(0, number));
    }

    @Test
    void fullBucketHoldsTheCapacity() {
        assertThat(Bucket.full(new Limit(5, 1), 7)).isEqualTo(new Bucket(5, 7));
    }
}
