package io.tollgate.quota;

import java.time.Instant;

/**
 * What a policy in shadow mode would have done so far.
 *
 * @param policy as in the header {@code quota-policy}: each change of a policy begins anew
 * @param requests how many it has looked at, of the tasks that run here
 * @param refusals how many of them it would have refused
 * @param since when it looked at the first of them
 */
public record ShadowScore(String policy, long requests, long refusals, Instant since) {}
