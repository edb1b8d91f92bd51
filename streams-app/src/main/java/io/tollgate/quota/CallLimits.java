package io.tollgate.quota;

/**
 * Limits of one task's calls to Redis, and of the answers stored with decisions.
 *
 * @param agents in one call: a script of about a millisecond, after which Redis serves others
 * @param requests in one call, about: a script of about a millisecond and a half
 * @param calls in flight at a time: one running in Redis, and one queued behind it
 * @param storedAnswers answers of Redis written with their decisions in each commit, in agents, for all tasks: so few
 *     cost next to nothing
 */
public record CallLimits(int agents, int requests, int calls, int storedAnswers) {
    /** What a pipeline asks. */
    public static final CallLimits USUAL = new CallLimits(128, 512, 2, 512);
}
