package io.tollgate.quota;

import java.time.Instant;

/**
 * The verdicts of a policy in shadow mode so far.
 *
 * @param policy as in the header {@code quota-policy}: each change of a policy begins a new score
 * @param requests the number of requests it has judged, in local tasks
 * @param refusals how many of them it would have refused
 * @param since the time of the first of them
 */
public record ShadowScore(String policy, long requests, long refusals, Instant since) {}
