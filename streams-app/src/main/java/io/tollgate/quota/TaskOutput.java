package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.holds.Hold;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.UsageReport;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import java.util.Optional;

/** What a task hands on. Immutable. */
public sealed interface TaskOutput {
    /**
     * A request and its answer.
     *
     * @param policy the one that it was decided by
     * @param scarcest what it left of the limit that it is about
     * @param hold what it has opened; empty: none
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
     * An agent's bucket was filled by somebody.
     *
     * @param policy whose limits are full now
     * @param atMicros when, on the bucket's clock: after every decision before it, and not after any decision that knows of it
     * @param by who: {@code api:} and an address
     */
    record BucketReset(String agentId, Policy policy, long atMicros, String by) implements TaskOutput {}

    /** What came of a report, or of a deadline that has passed. */
    sealed interface Settlement extends TaskOutput {}

    /**
     * A hold has ended.
     *
     * @param ending why
     * @param usedTokens of what it had reserved, or more; the difference was given back, or charged
     * @param settled what the bucket holds then, and when
     */
    record HoldEnded(Hold hold, Ending ending, double usedTokens, Settled settled) implements Settlement {
        /** Returns what the bucket got back; below 0: more was used than reserved. */
        public double refundedTokens() {
            return hold.reservedTokens() - usedTokens;
        }
    }

    /** Why a hold has ended. */
    enum Ending {
        /** Its use was reported. */
        SETTLED,
        /** Its deadline passed. */
        EXPIRED
    }

    /**
     * A report names no hold of its agent that is open.
     *
     * @param atMicros when that was so, on the bucket's clock
     */
    record NoSuchHold(UsageReport report, long atMicros) implements Settlement {}
}
