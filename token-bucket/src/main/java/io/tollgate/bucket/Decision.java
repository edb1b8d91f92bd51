package io.tollgate.bucket;

import java.time.Duration;
import java.time.temporal.ChronoUnit;

/** The answer to one request. Immutable. */
public sealed interface Decision {
    /** What {@link QuotaExceeded#retryAfter} says of a bucket that never refills. */
    Duration NEVER = ChronoUnit.FOREVER.getDuration();

    /** Returns the tokens left in the bucket after this decision. */
    double remainingTokens();

    /** Returns when the tokens were charged or refused: microseconds since the epoch on the bucket's clock. */
    long decidedAtMicros();

    /** Returns which copy of the bucket answered. */
    DecidedBy decidedBy();

    /** Returns whether the request may go on. */
    default boolean isApproved() {
        return this instanceof Approved;
    }

    /** Charged; {@code remainingTokens} are left. */
    record Approved(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy) implements Decision {}

    /**
     * Not charged; the same request would be covered after {@code retryAfter}, if nothing else is spent meanwhile.
     *
     * @param retryAfter whole milliseconds, or {@link #NEVER} where the bucket does not refill
     */
    record QuotaExceeded(double remainingTokens, Duration retryAfter, long decidedAtMicros, DecidedBy decidedBy)
            implements Decision {}

    /** Not charged, and no wait helps: the cost is above the capacity. */
    record CostExceedsCapacity(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy) implements Decision {}
}
