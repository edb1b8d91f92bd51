package io.tollgate.bucket;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/** The answer to one request. Immutable. */
public sealed interface Decision {
    /** Returns the tokens left in the bucket after this decision. */
    double remainingTokens();

    /**
     * Returns the time at which the tokens were charged or refused, in microseconds since the epoch on the
     * bucket's clock.
     */
    long decidedAtMicros();

    /** Returns the time at which the tokens were charged or refused, on the bucket's clock. */
    default Instant decidedAt() {
        return Instant.EPOCH.plus(decidedAtMicros(), ChronoUnit.MICROS);
    }

    /** Returns the copy of the bucket that answered. */
    DecidedBy decidedBy();

    /** Returns whether the request may go on. */
    default boolean isApproved() {
        return this instanceof Approved;
    }

    /** Returns the terms of the decision. */
    Terms terms();

    /** Charged in the bucket of each limit; {@code remainingTokens} are left in the bucket that holds the fewest. */
    record Approved(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy, Terms terms)
            implements Decision {}

    /** Charged in no bucket; {@code remainingTokens} are left in the bucket of the limit that refused. */
    sealed interface Refused extends Decision {
        /** Returns the index of the limit that refused, from 0. */
        int limit();

        /** Returns the limit that refused. */
        default NamedLimit refusedBy() {
            return terms().limits().get(limit());
        }
    }

    /**
     * The same request would be covered after {@code retryAfter}, if nothing else is spent meanwhile.
     *
     * @param retryAfter whole milliseconds; empty if the bucket does not refill, so that no wait helps
     */
    record QuotaExceeded(
            double remainingTokens,
            Optional<Duration> retryAfter,
            long decidedAtMicros,
            DecidedBy decidedBy,
            Terms terms,
            int limit)
            implements Refused {}

    /**
     * Charged in no bucket, however full: the agent has the most holds open that its policy allows. Only the pipeline
     * knows holds.
     */
    record TooManyOpenHolds(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy, Terms terms)
            implements Decision {}

    /** No wait helps: the cost is above the capacity. */
    record CostExceedsCapacity(
            double remainingTokens, long decidedAtMicros, DecidedBy decidedBy, Terms terms, int limit)
            implements Refused {}
}
