package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.ingest.Request;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;

/**
 * A request and its answer.
 *
 * @param policy the one that it was decided by
 * @param scarcest what it left of the limit that it is about
 */
public record Decided(Request request, Policy policy, Decision decision, RemainingQuota scarcest)
        implements TaskOutput {
    /** An agent of one limit. */
    public Decided(Request request, Policy policy, Decision decision) {
        this(request, policy, decision, RemainingQuota.of(decision, null));
    }

    /** Returns whether the request goes on: a shadow policy lets everything pass. */
    public boolean isApproved() {
        return decision.isApproved() || policy.mode() != Mode.ENFORCE;
    }
}
