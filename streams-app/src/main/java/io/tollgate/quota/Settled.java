package io.tollgate.quota;

import io.tollgate.bucket.DecidedBy;

/**
 * The buckets of an agent after a settlement. Immutable.
 *
 * @param remainingTokens in the limit that has the fewest; below 0: a debt, before whose repayment nothing is approved
 * @param decidedAtMicros microseconds since the epoch on the buckets' clock
 */
public record Settled(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy) {}
