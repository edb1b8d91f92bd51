package io.tollgate.quota;

import io.tollgate.policy.Policy;

/**
 * An agent's bucket was filled by somebody.
 *
 * @param policy whose limits are full now
 * @param atMicros when, on the bucket's clock: after every decision before it, and not after any decision that knows of it
 * @param by who: {@code api:} and an address
 */
public record BucketReset(String agentId, Policy policy, long atMicros, String by) implements TaskOutput {}
