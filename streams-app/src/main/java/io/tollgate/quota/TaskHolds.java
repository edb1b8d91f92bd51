package io.tollgate.quota;

import io.tollgate.ingest.UsageReport;
import io.tollgate.mirror.Hold;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.quota.TaskOutput.Ending;
import io.tollgate.quota.TaskOutput.HoldEnded;
import io.tollgate.quota.TaskOutput.NoSuchHold;
import io.tollgate.quota.TaskOutput.Settlement;
import io.tollgate.redis.BucketKind;
import java.util.function.Consumer;

/**
 * Opens, settles and ends the holds of one task's agents. For one stream thread alone.
 *
 * <p>A hold ends at its deadline by the clock of its bucket, whether a report, another request of the agent, or the
 * timer notices it.
 */
final class TaskHolds {
    /** The most holds ended at a time, so that a flood of deadlines does not keep records waiting. */
    private static final int MOST_EXPIRED = 1_000;

    private final QuotaContext shared;
    private final AgentCache cache;
    private final OpenHolds holds;
    private final TaskDecider decider;
    private final Consumer<HoldEnded> listener;

    /** @param listener gets each expired hold at once: its writes are committed with the expiry */
    TaskHolds(
            QuotaContext shared, AgentCache cache, OpenHolds holds, TaskDecider decider, Consumer<HoldEnded> listener) {
        this.shared = shared;
        this.cache = cache;
        this.holds = holds;
        this.decider = decider;
        this.listener = listener;
    }

    /**
     * Opens the hold of a request that asks for one, if it was charged.
     *
     * @param name of the hold
     */
    DecidedRequest open(DecidedRequest decided, String name) {
        var request = decided.request();
        var policy = decided.policy();
        var decision = decided.decision();
        long openedMicros = decision.decidedAtMicros();
        var hold = new Hold(
                request.agentId(),
                name,
                policy.kind(),
                request.costTokens(),
                openedMicros,
                policy.holds().deadlineMicros(openedMicros),
                policy.holds().usedTokensUnsettled(request.costTokens()),
                request.requestId());
        holds.open(hold);
        return decided.with(hold);
    }

    /** Settles the hold that a report names. */
    Settlement settle(UsageReport report) {
        var hold = holds.find(report.agentId(), report.hold());
        if (hold == null) return noSuchHold(report, lookedMicros(report.agentId()));
        long atMicros = decider.settlesAt(hold.agentId(), hold.kind());
        if (atMicros >= hold.deadlineMicros()) {
            expire(hold, atMicros);
            return settle(report); // another one may bear the name
        }
        var ended = end(hold, Ending.SETTLED, report.usedTokens(), atMicros);
        shared.metrics().settled(atMicros - hold.openedMicros(), ended.refundedTokens());
        return ended;
    }

    private long lookedMicros(String agentId) {
        return cache.agent(agentId).notBeforeLast(shared.nowMicros(agentId, BucketKind.ENFORCED));
    }

    private NoSuchHold noSuchHold(UsageReport report, long atMicros) {
        shared.metrics().noSuchHold();
        return new NoSuchHold(report, atMicros);
    }

    private void expire(Hold hold, long atMicros) {
        var ended = end(hold, Ending.EXPIRED, hold.usedTokensUnsettled(), atMicros);
        shared.metrics().expired(ended.refundedTokens());
        listener.accept(ended);
    }

    private HoldEnded end(Hold hold, Ending ending, double usedTokens, long atMicros) {
        holds.end(hold);
        var settled = decider.settle(hold.agentId(), hold.kind(), hold.reservedTokens() - usedTokens, atMicros);
        return new HoldEnded(hold, ending, usedTokens, settled);
    }

    /** Returns whether the deadline of a hold has passed. */
    boolean isDue() {
        var earliest = holds.earliest();
        return earliest != null && isDue(earliest);
    }

    private boolean isDue(Hold hold) {
        return shared.nowMicros(hold.agentId(), hold.kind()) >= hold.deadlineMicros();
    }

    /** Ends holds whose deadlines have passed, a bounded number. */
    void expire() {
        for (int i = 0; i < MOST_EXPIRED; i++) {
            var hold = holds.earliest();
            if (hold == null || !isDue(hold)) return;
            long atMicros = decider.settlesAt(hold.agentId(), hold.kind());
            if (atMicros < hold.deadlineMicros()) return; // our clock was ahead, and Redis has put it right
            expire(hold, atMicros);
        }
    }
}
