package io.tollgate.quota;

import io.tollgate.bucket.DecidedBy;

/**
 * What a settlement left in an agent's buckets. Immutable.
 *
 * @param remainingTokens in the limit that has the fewest; below 0: a debt, until which is repaid nothing is approved
 * @param decidedAtMicros microseconds since the epoch on the buckets' clock
 */
public record Settled(double remainingTokens, long decidedAtMicros, DecidedBy decidedBy) {}
