package io.tollgate.client;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.failover.CallObserver;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** Figures of a manager since it was built. Thread-safe. */
final class QuotaFigures implements CallObserver {
    /** The verdict on a request, and the copy of the bucket that gave it. */
    record DecisionKind(String verdict, DecidedBy decidedBy) {
        static DecisionKind of(Decision decision) {
            var verdict = decision instanceof Decision.Approved
                    ? "approved"
                    : decision instanceof Decision.CostExceedsCapacity ? "cost_exceeds_capacity" : "quota_exceeded";
            return new DecisionKind(verdict, decision.decidedBy());
        }
    }

    private final Map<DecisionKind, LongAdder> decisions = kinds();
    private final LongAdder answered = new LongAdder();
    private final LongAdder answeredNanos = new LongAdder();
    private final LongAdder timedOut = new LongAdder();
    private final LongAdder failed = new LongAdder();

    private static Map<DecisionKind, LongAdder> kinds() {
        var kinds = new HashMap<DecisionKind, LongAdder>();
        for (var by : DecidedBy.values()) {
            for (var verdict : new String[] {"approved", "quota_exceeded", "cost_exceeds_capacity"}) {
                kinds.put(new DecisionKind(verdict, by), new LongAdder());
            }
        }
        return Map.copyOf(kinds);
    }

    void decided(Decision decision) {
        Objects.requireNonNull(decisions.get(DecisionKind.of(decision))).increment();
    }

    @Override
    public void answered(long elapsedNanos) {
        answered.increment();
        answeredNanos.add(elapsedNanos);
    }

    @Override
    public void timedOut(long elapsedNanos) {
        timedOut.increment();
    }

    @Override
    public void failed(long elapsedNanos) {
        failed.increment();
    }

    Map<DecisionKind, LongAdder> decisions() {
        return decisions;
    }

    LongAdder answered() {
        return answered;
    }

    LongAdder answeredNanos() {
        return answeredNanos;
    }

    LongAdder timedOut() {
        return timedOut;
    }

    LongAdder failed() {
        return failed;
    }
}
