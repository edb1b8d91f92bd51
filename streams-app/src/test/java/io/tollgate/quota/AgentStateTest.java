package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendRequest;
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
    private static final TaskSources SOURCES =
            new TaskSources(new TopicPartition("requests", 0), new TopicPartition("rekeyed", 0), 17, 18);

    /** A stray has a lower timestamp than requests at home that were polled before it, and is processed first. */
    @Test
    void givenTwoAnswers_whenTheOlderIsTakenOverLast_thenTheCopyStaysTheNewerOne() {
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);
        var before = new Bucket(9, 1000);
        var after = new Bucket(4, 1000.1);

        accept(agent, STRAYS, 70, after);
        accept(agent, AT_HOME, 30, before);

        assertThat(agent.bucketsOrFull(TERMS, 1001).first()).isEqualTo(after);
        assertThat(agent.fence(AT_HOME, SOURCES.id(AT_HOME)).lastOffset()).isEqualTo(30);
        assertThat(agent.fence(STRAYS, SOURCES.id(STRAYS)).lastOffset()).isEqualTo(70);
    }

    @Test
    void givenTwoAnswersOfOneMoment_whenTakenOver_thenTheCopyIsTheSmallerOne() {
        var agent = new AgentState("agent", BucketKind.ENFORCED, null);

        accept(agent, STRAYS, 70, new Bucket(4, 1000));
        accept(agent, AT_HOME, 30, new Bucket(9, 1000));

        assertThat(agent.bucketsOrFull(TERMS, 1000).first().tokens()).isEqualTo(4);
    }

    private static void accept(AgentState agent, int place, long offset, Bucket left) {
        var charge = new Charge(offset, 1);
        var spend = new SpendRequest("agent", LIMIT, List.of(charge), SOURCES.id(place), -1, null);
        var approved =
                new Decision.Approved(left.tokens(), (long) (left.lastRefillSeconds() * 1e6), DecidedBy.REDIS, TERMS);
        var answer =
                new SpendResult.Decided(new AgentBuckets(TERMS, List.of(left)), List.of(approved), 0, false, false, 0);
        var call = CompletableFuture.completedFuture(new SpendResults(0, List.of(answer)));
        var asked = agent.calls().send(new RedisCall(call, 0, TaskTime.SYSTEM), 0, spend, place);
        agent.accept(asked, answer, SOURCES);
    }
}
