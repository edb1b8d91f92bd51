package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import io.tollgate.mirror.BucketCopy;
import org.junit.jupiter.api.Test;

class UnansweredSettlementsTest {
    private static final Terms TEN_TOKENS = Terms.of(new Limit(10, 0));
    private static final Adjustments FOUR_BACK = new Adjustments(9_000_001, false, 4);

    private static AgentBuckets leftAtNine(double tokens) {
        return AgentBuckets.of(new Bucket(tokens, 9));
    }

    @Test
    void comparesAnswersOfOneMomentByTheSameSum() {
        var copy = new BucketCopy(leftAtNine(4), false);
        var unanswered = UnansweredSettlements.with(null, copy, true, FOUR_BACK, TEN_TOKENS, 0, 9_000_001);

        assertThat(unanswered.isOlderThan(leftAtNine(7), FOUR_BACK))
                .as("one token was charged")
                .isTrue();
        assertThat(unanswered.isOlderThan(leftAtNine(8), FOUR_BACK))
                .as("nothing was charged")
                .isFalse();
    }
}
