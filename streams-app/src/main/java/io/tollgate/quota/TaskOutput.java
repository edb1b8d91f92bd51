package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.UsageReport;
import io.tollgate.mirror.Hold;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import java.util.Optional;

/** The output of a task. Immutable. */
public sealed interface TaskOutput {
    /**
     * A request and its decision.
     *
     * @param policy the policy that decided it
     * @param scarcest the rest of the limit that the decision is about
     * @param hold the hold it has opened, if any
     */
    record DecidedRequest(
            Request request, Policy policy, Decision decision, RemainingQuota scarcest, Optional<Hold> hold)
            implements TaskOutput {
        /** A request that opens no hold. */
        public DecidedRequest(Request request, Policy policy, Decision decision, RemainingQuota scarcest) {
            this(request, policy, decision, scarcest, Optional.empty());
        }

        /** Returns the same of a request that has opened a hold. */
        DecidedRequest with(Hold opened) {
            return new DecidedRequest(request, policy, decision, scarcest, Optional.of(opened));
        }

        /** Returns whether the request goes on: a shadow policy lets everything pass. */
        public boolean isApproved() {
            return decision.isApproved() || policy.mode() != Mode.ENFORCE;
        }
    }

    /**
     * An agent's bucket was reset.
     *
     * @param policy the policy whose limits are full now
     * @param atMicros the time on the bucket's clock: after every earlier decision, and not after any decision that
     *     counts it
     * @param by the author: {@code api:} and an address
     */
    record BucketReset(String agentId, Policy policy, long atMicros, String by) implements TaskOutput {}

    /** The outcome of a report, or of a passed deadline. */
    sealed interface Settlement extends TaskOutput {}

    /**
     * A hold has ended.
     *
     * @param ending the reason
     * @param usedTokens used tokens, perhaps more than reserved; the difference was given back, or charged
     * @param settled the bucket and the time of the settlement
     */
    record HoldEnded(Hold hold, Ending ending, double usedTokens, Settled settled) implements Settlement {
        /** Returns the tokens given back; below 0: more was used than reserved. */
        public double refundedTokens() {
            return hold.reservedTokens() - usedTokens;
        }
    }

    /** The reason for which a hold has ended. */
    enum Ending {
        /** Its use was reported. */
        SETTLED,
        /** Its deadline passed. */
        EXPIRED
    }

    /**
     * A report names no hold of its agent that is open.
     *
     * @param atMicros the time of the answer, on the bucket's clock
     */
    record NoSuchHold(UsageReport report, long atMicros) implements Settlement {}
}
