package io.tollgate.history;

import io.tollgate.bucket.Decision;
import io.tollgate.policy.Mode;

/** The verdict of a policy on a request. */
enum Verdict {
    APPROVED,
    QUOTA_EXCEEDED,
    COST_EXCEEDS_CAPACITY;

    static Verdict of(Decision decision) {
        if (decision.isApproved()) return APPROVED;
        return decision instanceof Decision.CostExceedsCapacity ? COST_EXCEEDS_CAPACITY : QUOTA_EXCEEDED;
    }

    /** Returns the verdict on record; of a shadow policy the one it would have given. */
    static Verdict of(DecidedRecord decided) {
        var reason = decided.isShadow() ? decided.reason().substring(DecidedRecord.SHADOW.length()) : decided.reason();
        if (decided.approved() && !decided.isShadow()) return APPROVED;
        return reason.equals(DecidedRecord.COST_EXCEEDS_CAPACITY) ? COST_EXCEEDS_CAPACITY : QUOTA_EXCEEDED;
    }

    /** Returns whether a request with this verdict is refused. */
    boolean refusesUnder(Mode mode) {
        return this != APPROVED && mode == Mode.ENFORCE;
    }
}
