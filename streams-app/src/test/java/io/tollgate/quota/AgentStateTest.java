package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class AgentStateTest {
    private static final Limit LIMIT = new Limit(20, 5);
    private static final Terms TERMS = Terms.of(LIMIT);
    private static final int AT_HOME = TaskSources.REQUESTS;
    private static final int STRAYS = TaskSources.REKEYED;
    private static final TaskSources SOURCES = new TaskSources(
            List.of(new TopicPartition("requests", 0), new TopicPartition("rekeyed", 0)), List.of(17L, 18L));

    /** The call was sent before the settlement: what its answer leaves is brought to the same sum. */
    @Test
    void olderAnswerIncludesTheSettlement() {
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);
        accept(agent, AT_HOME, 1, new Bucket(9, 1000));
        var promises = Promises.of(TERMS);
        agent.settle(1, promises, 1_000_000_000, true, 1);
        var asked = ask(agent, AT_HOME, 2, new Bucket(7, 1000), 2);

        agent.settle(4, promises, 1_000_000_000, true, 2);
        agent.accept(asked.part(), asked.answer(), SOURCES);

        assertThat(agent.held().bucketsOrFull(TERMS, 1000).first().tokens()).isEqualTo(11);
        assertThat(agent.held().isUntold()).isTrue();
    }

    @Test
    void settlementIsToldAfterItsCommit() {
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);
        accept(agent, AT_HOME, 1, new Bucket(9, 1000));
        var promises = Promises.of(TERMS);
        agent.settle(1, promises, 1_000_000_000, true, 1);
        agent.settle(4, promises, 1_000_000_000, true, 2);

        assertThat(told(agent, 2).settledTokens()).isEqualTo(1);
        assertThat(told(agent, 3).settledTokens()).isEqualTo(5);
    }

    /** Told later, it would make up for what is charged before. */
    @Test
    void excessOverAFullBucketIsNeverTold() {
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);
        accept(agent, AT_HOME, 1, new Bucket(9, 1000));
        var promises = Promises.of(TERMS);
        agent.settle(1, promises, 1_000_000_000, true, 1);
        agent.settle(15, promises, 1_000_000_000, true, 2);

        assertThat(told(agent, 2).settledTokens()).isEqualTo(1);
        assertThat(told(agent, 3).settledTokens()).isEqualTo(11);
    }

    /** The refund of the minute before counts in the day. */
    @Test
    void periodsAreToldInTheirTurn() {
        var minute = new NamedLimit("minute", Limit.each(Period.MINUTE, "UTC", 20));
        var day = new NamedLimit("day", Limit.each(Period.DAY, "UTC", 500));
        var promises = Promises.of(new Terms(1, List.of(minute, day)));
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);
        agent.settle(-9, promises, 50_000_000, true, 1);
        agent.settle(3, promises, 59_900_000, true, 2);
        agent.settle(2, promises, 60_100_000, true, 2);

        var first = told(agent, promises, 3);
        agent.held().told(first);

        assertThat(first.settledTokens()).isEqualTo(-6);
        assertThat(told(agent, promises, 3)).isEqualTo(new Adjustments(60_100_000, false, 2));
    }

    private static Adjustments told(AgentState agent, int commits) {
        return told(agent, Promises.of(TERMS), commits);
    }

    private static Adjustments told(AgentState agent, Promises promises, int commits) {
        return agent.tell(promises, SOURCES, -1, true, commits, 1000).copy().adjustments();
    }

    private record Asked(RedisCall.Part part, SpendResult.Decided answer) {}

    private static void accept(AgentState agent, int place, long offset, Bucket left) {
        var asked = ask(agent, place, offset, left, 0);
        agent.accept(asked.part(), asked.answer(), SOURCES);
    }

    private static Asked ask(AgentState agent, int place, long offset, Bucket left, int commits) {
        var charge = new Charge(offset, 1);
        var spend = agent.spend(List.of(charge), Promises.of(TERMS), place, SOURCES, -1, true, commits, 1000);
        var approved =
                new Decision.Approved(left.tokens(), (long) (left.lastRefillSeconds() * 1e6), DecidedBy.REDIS, TERMS);
        var answer =
                new SpendResult.Decided(new AgentBuckets(TERMS, List.of(left)), List.of(approved), 0, false, false, 0);
        var call = CompletableFuture.completedFuture(new SpendResults(0, List.of(answer)));
        var asked = agent.calls().send(new RedisCall(call, 0, TaskTime.SYSTEM), 0, spend, place);
        return new Asked(asked, answer);
    }
}
