package io.tollgate.redis;

import java.util.List;

/**
 * The answer of Redis to one call.
 *
 * @param clockMicros the clock of Redis, microseconds since the epoch
 * @param answers one for each spend, in their order
 */
public record SpendResults(long clockMicros, List<SpendResult> answers) {}
