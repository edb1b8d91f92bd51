package io.tollgate.memoryredis;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.memoryredis.MemoryRedis.Engine;
import io.tollgate.memoryredis.ScriptCodec.Operation;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What settlements give back, and resets, count once in Redis: whoever tells it, however often, and however late. */
class AdjustmentsTest {
    private static final Terms TERMS = Terms.of(new Limit(100, 0));
    private static final long SOURCE = 17;
    private static final long START = 1_767_225_600_000_000L;
    private static final String KEY = "quota:agent:tokens";

    private static final long MINUTE_MICROS = 60_000_000;

    private final MemoryRedis redis = new MemoryRedis(Engine.BOTH);
    private Terms terms = TERMS;

    @BeforeEach
    void spendNinety() {
        redis.setNow(START);
        spend(0, 90, Adjustments.NONE, 0);
    }

    @Test
    void repeatedSettlementCountsOnce() {
        var settled = Adjustments.NONE.settled(30, TERMS, START + 1);

        tell(settled, 0);
        tell(settled, 0);

        assertThat(tokens()).isEqualTo(40);
    }

    @Test
    void askingCallTellsToo() {
        var settled = Adjustments.NONE.settled(30, TERMS, START + 1);

        spend(1, 35, settled, 0);

        assertThat(tokens()).isEqualTo(5);
    }

    @Test
    void overrunGoesBelowZero() {
        tell(Adjustments.NONE.settled(-25, TERMS, START + 1), 0);

        assertThat(tokens()).isEqualTo(-15);
    }

    @Test
    void refundsStayWithinCapacity() {
        tell(Adjustments.NONE.settled(500, TERMS, START + 1), 0);

        assertThat(tokens()).isEqualTo(100);
    }

    @Test
    void laterSumGivesTheDifference() {
        var first = Adjustments.NONE.settled(30, TERMS, START + 1);
        tell(first, 0);

        tell(first.settled(20, TERMS, START + 2), 30);
        tell(first.settled(20, TERMS, START + 2).settled(-45, TERMS, START + 3), 30);

        assertThat(tokens()).isEqualTo(15);
    }

    @Test
    void formerOwnersResetFillsNothing() {
        var reset = Adjustments.reset(START + 1);
        tell(reset, 0);
        spend(1, 70, reset, 0);

        tell(reset, 0);

        assertThat(tokens()).isEqualTo(30);
    }

    @Test
    void settlementBeforeAResetIsTooLate() {
        tell(Adjustments.reset(START + 5), 0);
        spend(1, 70, Adjustments.reset(START + 5), 0);

        tell(Adjustments.NONE.settled(50, TERMS, START + 1), 0);

        assertThat(tokens()).isEqualTo(30);
    }

    /** An instance whose state was lost knows nothing of the sum that Redis holds. */
    @Test
    void newSumCountsWhole() {
        tell(Adjustments.NONE.settled(30, TERMS, START + 1), 0);

        tell(Adjustments.NONE.settled(7, TERMS, START + 9), 0);

        assertThat(tokens()).isEqualTo(47);
    }

    @Test
    void unawareCallerChangesNothing() {
        tell(Adjustments.NONE.settled(30, TERMS, START + 1), 0);

        spend(1, 1, Adjustments.NONE, 0);
        tell(Adjustments.NONE.settled(30, TERMS, START + 1), 0);

        assertThat(tokens()).isEqualTo(39);
    }

    @Test
    void missingKeyStaysAFullBucket() {
        redis.delete(KEY);

        tell(Adjustments.NONE.settled(-30, TERMS, START + 1), 0);

        assertThat(redis.fields(KEY)).isEmpty();
    }

    @Test
    void spendingAloneKeepsNoEntry() {
        int before = redis.fields(KEY).get("fence").length();

        tell(Adjustments.NONE, 0);
        assertThat(redis.fields(KEY).get("fence")).hasSize(before);
        tell(Adjustments.NONE.settled(1, TERMS, START + 1), 0);

        assertThat(redis.fields(KEY).get("fence")).hasSize(before + 8 + 4 + 44);
    }

    /** A period begins full, whatever was given back before. */
    @Test
    void refundOfThePeriodBeforeIsNothing() {
        terms = Terms.of(Limit.each(Period.MINUTE, "UTC", 100));
        redis.setNow(START + MINUTE_MICROS);
        spend(1, 90, Adjustments.NONE, 0);

        tell(Adjustments.NONE.settled(30, terms, START + 1), 0);

        assertThat(tokens()).isEqualTo(10);
    }

    @Test
    void refundsOfThisPeriodCountAlone() {
        terms = Terms.of(Limit.each(Period.MINUTE, "UTC", 100));
        redis.setNow(START + MINUTE_MICROS);
        spend(1, 90, Adjustments.NONE, 0);

        var first = Adjustments.NONE.settled(30, terms, START + 1);
        tell(first.settled(7, terms, START + MINUTE_MICROS + 1).settled(2), 0);

        assertThat(tokens()).isEqualTo(19);
    }

    private double tokens() {
        return Double.parseDouble(redis.fields(KEY).get("tokens"));
    }

    private void tell(Adjustments adjustments, double inCopy) {
        call(List.of(), adjustments, inCopy);
    }

    private void spend(long offset, double cost, Adjustments adjustments, double inCopy) {
        call(List.of(new Charge(offset, cost)), adjustments, inCopy);
    }

    /** The copy says no more than that the bucket may be full: nothing of it counts but the adjustments. */
    private void call(List<Charge> charges, Adjustments adjustments, double inCopy) {
        var buckets = new AgentBuckets(terms, List.of(new Bucket(100, 0)));
        var copy = new SpendRequest.Copy(
                buckets,
                CopyStatus.FOLLOWS,
                SpendRequest.Copy.INCOMPLETE,
                -1,
                Fence.NONE,
                List.of(),
                adjustments,
                inCopy);
        var spend = new SpendRequest(
                "agent",
                BucketKind.ENFORCED,
                Promises.of(terms),
                charges,
                SOURCE,
                -1,
                true,
                Fence.NONE,
                copy,
                redis.nowMicros() / 1e6);
        var spends = List.of(spend);
        redis.setNow(redis.nowMicros() + 1);
        var answers = ScriptCodec.answers(
                redis.run(ScriptCodec.keys(spends), ScriptCodec.arguments(Operation.SPEND, spends)), spends);
        assertThat(answers.answers().get(0)).isInstanceOf(SpendResult.Decided.class);
    }
}
