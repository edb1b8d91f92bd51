package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.Limit;
import io.tollgate.ingest.Request;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.redis.BucketKind;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** A task that settles what it has charged, on a real Redis: other programs see it soon after the commit, and not before. */
class SettlementIT extends TasksOnRedis {
    private static final String AGENT = "agent";

    @Test
    void redisHearsAfterTheCommit() {
        var task = task(shared(new Limit(100, 0), new CommittedOffsets()), store());
        charge(task, 0, 60);

        var settled = settle(task, 25);
        task.queries().answer();
        assertThat(settled.remainingTokens()).isEqualTo(65);
        assertThat(tokens()).isEqualTo("40");

        task.beforeCommit();
        await().untilAsserted(() -> {
            task.queries().answer();
            assertThat(tokens()).isEqualTo("65");
        });
        await().untilAsserted(() -> {
            task.queries().answer();
            assertThat(task.queries().isIdle()).isTrue();
        });
    }

    @Test
    void nextChargeTellsInsteadOfACall() {
        var task = task(shared(new Limit(100, 0), new CommittedOffsets()), store());
        long startNanos = System.nanoTime();
        charge(task, 0, 60);
        settle(task, 25);
        task.beforeCommit();

        task.queries().answer();
        task.queries().answer(); // takes over what the first one has asked

        assumeThat(System.nanoTime() - startNanos).isLessThan(1_000_000_000); // later, a call would be right
        assertThat(tokens()).isEqualTo("40");
        charge(task, 1, 1);
        assertThat(tokens()).isEqualTo("64");
    }

    @Test
    void overrunLeavesADebt() {
        var task = task(shared(new Limit(100, 0), new CommittedOffsets()), store());
        charge(task, 0, 90);
        settle(task, -30);
        task.beforeCommit();

        var next = charge(task, 1, 1);

        assertThat(next.decision().isApproved()).isFalse();
        assertThat(next.decision().remainingTokens()).isEqualTo(-20);
    }

    /** What an instance charged before it was closed, its successor settles; each settlement counts once. */
    @Test
    void successorContinuesTheSum() {
        var store = store();
        var before = task(shared(new Limit(100, 0), new CommittedOffsets()), store);
        charge(before, 0, 80);
        settle(before, 10);
        before.beforeCommit();

        var after = task(shared(new Limit(100, 0), new CommittedOffsets()), store);
        charge(after, 1, 5);
        settle(after, 10);
        after.beforeCommit();
        before.queries().answer(); // comes late

        assertThat(charge(after, 2, 1).decision().remainingTokens()).isEqualTo(100 - 80 + 10 - 5 + 10 - 1);
    }

    private static TaskOutput.DecidedRequest charge(Task task, long offset, double cost) {
        var request = new Request(Optional.empty(), AGENT, cost, new byte[0]);
        return task.decider().decide(new PendingDecision(request, 0, offset, System.nanoTime(), false));
    }

    private String tokens() {
        return tokensOf(AGENT);
    }

    private static Settled settle(Task task, double refundTokens) {
        long atMicros = task.decider().settlesAt(AGENT, BucketKind.ENFORCED);
        return task.decider().settle(AGENT, BucketKind.ENFORCED, refundTokens, atMicros);
    }
}
