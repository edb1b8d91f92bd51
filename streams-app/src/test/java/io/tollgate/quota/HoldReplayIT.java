package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import io.tollgate.ingest.Request;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.mirror.Hold;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.PolicyRecords;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.redis.BucketKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Requests that open holds, processed again after a crash of which only Redis knows. */
class HoldReplayIT extends TasksOnRedis {
    private static final Limit LIMIT = new Limit(100, 0);
    private static final String AGENT = "agent";

    @Test
    void replayKeepsTheDeadline() {
        var first = decide(task(shared(LIMIT, new CommittedOffsets()), store()), 0, 10)
                .get(0);

        var again = decide(task(shared(LIMIT, new CommittedOffsets()), store()), 0, 10)
                .get(0);

        assertThat(again.hold()).isPresent().isEqualTo(first.hold());
        assertThat(again.decision().remainingTokens()).isEqualTo(90);
    }

    @Test
    void whatRedisApprovedStands() {
        decide(task(limited(2), store()), 0, 10, 20);
        var open = open(hold("other"));

        var again = decide(task(limited(2), store(), open), 0, 10, 20);

        assertThat(again.get(0).decision()).isInstanceOf(Decision.Approved.class);
        assertThat(again.get(1).decision()).as("charged before the crash").isInstanceOf(Decision.Approved.class);
        assertThat(again.get(1).decision().remainingTokens()).isEqualTo(70);
        assertThat(open.open(AGENT)).isEqualTo(3);
        assertThat(redisHolds()).isEqualTo("70");
    }

    @Test
    void refusedHoldIsNotCharged() {
        var task = task(limited(1), store());

        var decided = decide(task, 0, 10, 20, 30);

        assertThat(decided.get(0).hold()).isPresent();
        assertThat(decided.get(1).decision()).isInstanceOf(Decision.TooManyOpenHolds.class);
        assertThat(decided.get(2).decision().remainingTokens()).isEqualTo(90);
        assertThat(redisHolds()).isEqualTo("90");
    }

    /** What comes after it was decided before the crash, and keeps that time. */
    @Test
    void refusalStaysInOrder() {
        decide(task(limited(1), store()), 0, reserve(10), reserve(20), request(30));

        var again = decide(task(limited(1), store()), 0, reserve(10), reserve(20), request(30));

        assertThat(again.get(1).decision()).isInstanceOf(Decision.TooManyOpenHolds.class);
        assertThat(again).extracting(each -> each.decision().decidedAtMicros()).isSorted();
    }

    /** Its policy was replaced by one that allows more. */
    @Test
    void refusalKeepsItsPolicy() {
        var first = decide(task(limited(1), store()), 0, reserve(10), reserve(20), request(30));

        var again = decide(task(limited(5, 7), store()), 0, reserve(10), reserve(20), request(30));

        assertThat(again.get(1).decision()).isEqualTo(first.get(1).decision());
        assertThat(again.get(1).policy().name()).isEqualTo(first.get(1).policy().name());
        assertThat(redisHolds()).isEqualTo("60");
    }

    /** Each refusal is made where nothing else shows the agent to be ours still. */
    @Test
    void refusedHoldsDoNotKeepTheAgentFromRedis() {
        var task = task(limited(1), store());
        decide(task, 0, reserve(10));
        var buckets = task.cache().of(task.cache().agent(AGENT), BucketKind.ENFORCED);
        buckets.startAnew(Terms.of(LIMIT), 1);
        task.beforeCommit();

        for (int i = 1; i < 4; i++) {
            assertThat(decide(task, i, 20).get(0).decision()).isInstanceOf(Decision.TooManyOpenHolds.class);
            task.beforeCommit();
        }

        assertThat(decide(task, 4, request(5)).get(0).decision().decidedBy()).isEqualTo(DecidedBy.REDIS);
        assertThat(redisHolds()).isEqualTo("85");
    }

    private QuotaContext limited(int maxOpen) {
        return limited(maxOpen, 0);
    }

    private QuotaContext limited(int maxOpen, long policyOffset) {
        var shared = shared(LIMIT, new CommittedOffsets());
        PolicyRecords.apply(
                shared.policies(),
                policyOffset,
                0,
                AGENT,
                "{\"capacity\":100,\"refill_rate\":0,\"holds\":{\"max_open\":" + maxOpen + "}}");
        return shared;
    }

    private static Request reserve(double tokens) {
        return new Request(Optional.empty(), AGENT, tokens, true, new byte[0]);
    }

    private static Request request(double tokens) {
        return new Request(Optional.empty(), AGENT, tokens, false, new byte[0]);
    }

    private static List<DecidedRequest> decide(Task task, long offset, double... reserved) {
        return decide(
                task,
                offset,
                Arrays.stream(reserved).mapToObj(HoldReplayIT::reserve).toArray(Request[]::new));
    }

    /** Polls and decides requests at these offsets, the first at {@code offset}, as the topology does. */
    private static List<DecidedRequest> decide(Task task, long offset, Request... requests) {
        var polled = new ArrayList<PendingDecision>();
        for (var request : requests) {
            polled.add(new PendingDecision(request, TaskSources.REQUESTS, offset + polled.size(), 0, true));
        }
        task.queue().prefetch(TaskSources.REQUESTS, polled, -1);
        var all = new ArrayList<DecidedRequest>();
        for (var pending : polled) {
            var decided = task.decider().decide(pending);
            boolean opens = pending.opensHold() && decided.decision().isApproved();
            all.add(
                    opens
                            ? task.holds()
                                    .open(
                                            decided,
                                            "requests/0/" + pending.charge().offset())
                            : decided);
        }
        return all;
    }

    private static OpenHolds open(Hold hold) {
        var open = new OpenHolds(new SimulatedStore(OpenHolds.STORE, Map.of()));
        open.open(hold);
        return open;
    }

    private static Hold hold(String name) {
        return new Hold(AGENT, name, BucketKind.ENFORCED, 0, 1, Long.MAX_VALUE, 0, Optional.empty());
    }
}
