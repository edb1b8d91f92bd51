package io.tollgate.failover;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendResult;
import java.util.List;
import org.junit.jupiter.api.Test;

class AgentCopyTest {
    private static final Limit LIMIT = new Limit(10, 0);
    private static final long NOW = 1_800_000_000_000_000L;

    private final AgentCopy copy = new AgentCopy();

    @Test
    void lateAnswerKeepsLaterDecisions() {
        var call = send(1);
        decide(4);

        answered(call, 9, true);

        assertThat(left()).isEqualTo(5);
        assertThat(copy.isUntold()).isTrue();
    }

    @Test
    void untoldDecisionsWaitForTheAnswer() {
        var call = send(1);
        decide(4);
        assertThat(copy.send(LIMIT, 1, 0, NOW, 0)).isEmpty();

        answered(call, 9, true);

        var tells = send(1);
        assertThat(tells.copy()).isNotNull();
        assertThat(tells.copy().status()).isEqualTo(CopyStatus.DECIDED_ALONE);
        assertThat(tells.copy().buckets().first().tokens()).isEqualTo(5);
        answered(tells, 4, true);
        assertThat(copy.isUntold()).isFalse();
        assertThat(left()).isEqualTo(4);
    }

    @Test
    void laterOfTwoAnswersCounts() {
        var first = send(1);
        var second = send(1);

        answered(second, 8, true);
        answered(first, 9, true);

        assertThat(left()).isLessThanOrEqualTo(8);
        assertThat(copy.isUntold()).isFalse();
    }

    @Test
    void costsUnderWayAreHeldBack() {
        answered(send(4), 6, true);
        var big = send(9);
        assertThat(send(1).copy().buckets().first().tokens()).isZero();
        assertThat(decide(1).isApproved()).isFalse();

        copy.arrived(big);

        assertThat(decide(5).isApproved()).isTrue();
    }

    @Test
    void outageOverRedisHearsItsLastAnswer() {
        answered(send(4), 6, true);

        var call = copy.send(LIMIT, 1, 1, NOW, 0).orElseThrow();

        assertThat(call.copy().status()).isEqualTo(CopyStatus.DECIDED_ALONE);
        answered(call, 5, true);
        assertThat(copy.send(LIMIT, 1, 1, NOW, 0).orElseThrow().copy().status()).isEqualTo(CopyStatus.FOLLOWS);
    }

    @Test
    void noTimeIsCreditedTwice() {
        var refills = new Limit(10, 5);
        copy.decide(refills, Charge.of(10), NOW, 0);

        long hour = 3_600_000_000L;
        assertThat(copy.refilled(refills, NOW + hour + 1_000_000, 1_000_000).tokens())
                .isEqualTo(5);
        assertThat(copy.refilled(refills, NOW - hour + 1_000_000, 1_000_000).tokens())
                .isEqualTo(5);
    }

    private AgentCopy.Sent send(double cost) {
        return copy.send(LIMIT, cost, 0, NOW, 0).orElseThrow();
    }

    private Decision decide(double cost) {
        return copy.decide(LIMIT, Charge.of(cost), NOW, 0);
    }

    private double left() {
        return copy.refilled(LIMIT, NOW, 0).tokens();
    }

    private void answered(AgentCopy.Sent call, double left, boolean approved) {
        var terms = Terms.of(LIMIT);
        Decision decision = approved
                ? new Decision.Approved(left, NOW, DecidedBy.REDIS, terms)
                : new Decision.CostExceedsCapacity(left, NOW, DecidedBy.REDIS, terms, 0);
        var bucket = new Bucket(left, NOW / 1e6);
        copy.answered(
                call,
                new SpendResult.Decided(AgentBuckets.of(bucket), List.of(decision), 0, false, false, 0),
                LIMIT,
                NOW,
                0);
    }
}
