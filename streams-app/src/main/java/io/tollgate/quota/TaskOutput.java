package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.ingest.Request;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;

/** What a task hands on. Immutable. */
public sealed interface TaskOutput {
    /**
     * A request and its answer.
     *
     * @param policy the one that it was decided by
     * @param scarcest what it left of the limit that it is about
     */
    record Decided(Request request, Policy policy, Decision decision, RemainingQuota scarcest) implements TaskOutput {
        /** Returns whether the request goes on: a shadow policy lets everything pass. */
        public boolean isApproved() {
            return decision.isApproved() || policy.mode() != Mode.ENFORCE;
        }
    }

    /**
     * An agent's bucket was filled by somebody.
     *
     * @param policy whose limits are full now
     * @param atMicros when, on the bucket's clock: after every decision before it, and not after any decision that knows of it
     * @param by who: {@code api:} and an address
     */
    record BucketReset(String agentId, Policy policy, long atMicros, String by) implements TaskOutput {}
}
