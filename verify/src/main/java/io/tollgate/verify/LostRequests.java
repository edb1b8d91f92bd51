package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;

import io.tollgate.verify.Snapshot.OutputPartition;
import java.util.HashMap;
import java.util.Map;

/** Distinguishes lost requests from those whose decision retention may have removed. */
final class LostRequests {
    private final CheckerSettings settings;
    private final Violations violations;
    private final Snapshot snapshot;
    private final AgentAudit audit;
    private final OldestDecided oldest;
    private long lost;
    private long unjudged;

    /** The oldest requests whose decisions were read. */
    static final class OldestDecided {
        /** By output partition, the request of its oldest record that is not a stray. */
        private final Map<OutputPartition, Long> straight = new HashMap<>();

        /** By partition of requests. */
        private final Map<Integer, Long> sources = new HashMap<>();

        void decided(DecisionHeaders.RequestPosition source) {
            sources.merge(source.partition(), source.offset(), Math::min);
        }

        void decidedStraight(OutputRecord decided, DecisionHeaders.RequestPosition source) {
            straight.putIfAbsent(new OutputPartition(decided.outcome(), decided.partition()), source.offset());
        }
    }

    LostRequests(
            CheckerSettings settings,
            Violations violations,
            Snapshot snapshot,
            AgentAudit audit,
            OldestDecided oldest) {
        this.settings = settings;
        this.violations = violations;
        this.snapshot = snapshot;
        this.audit = audit;
        this.oldest = oldest;
    }

    long lost() {
        return lost;
    }

    /** Returns how many undecided requests may have had a decision that retention has removed. */
    long unjudged() {
        return unjudged;
    }

    void visit(Requests.Seen request) {
        if (request.decided() || !settings.isDue(request.timestampMillis()) || isBeforeTheCut(request)) return;
        if (!snapshot.trimmed().isEmpty() && mayBeTrimmed(request)) {
            unjudged++;
            return;
        }
        lost++;
        violations.add(
                CONSERVATION,
                settings.topics().requestsTopic() + "/" + request.partition() + "/" + request.offset(),
                "is decided on neither topic");
    }

    /**
     * Older than all requests with a decision that was read: its timestamp was ahead, and its decision stands before
     * the records read.
     */
    private boolean isBeforeTheCut(Requests.Seen request) {
        Long first = oldest.sources.get(request.partition());
        return first != null && request.offset() < first;
    }

    private boolean mayBeTrimmed(Requests.Seen request) {
        if (request.agent() < 0) return anyTrimmed(OutputTopic.REJECTED);
        int output = audit.outputPartition(request.agent());
        for (OutputTopic outcome : OutputTopic.values()) {
            boolean trimmed = output < 0
                    ? anyTrimmed(outcome)
                    : snapshot.trimmed().contains(new OutputPartition(outcome, output));
            if (trimmed && !isAfterTheOldest(request, outcome, output)) return true;
        }
        return false;
    }

    /** Returns whether an older decision, behind which this one would stand, still exists. */
    private boolean isAfterTheOldest(Requests.Seen request, OutputTopic outcome, int output) {
        Long first = request.partition() == output ? oldest.straight.get(new OutputPartition(outcome, output)) : null;
        return first != null && request.offset() > first
                || audit.decidedBefore(request.agent(), outcome, request.partition(), request.offset());
    }

    private boolean anyTrimmed(OutputTopic outcome) {
        return snapshot.trimmed().stream().anyMatch(trimmed -> trimmed.outcome() == outcome);
    }
}
