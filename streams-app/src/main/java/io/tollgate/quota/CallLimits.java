package io.tollgate.quota;

/**
 * How much one task asks of Redis at a time.
 *
 * @param agents in one call: a script of about a millisecond, after which Redis serves others
 * @param requests in one call, about: a script of about a millisecond and a half
 * @param calls that Redis may have to answer at a time: one that it runs, and one that it finds when it has
 */
public record CallLimits(int agents, int requests, int calls) {
    /** What a pipeline asks. */
    public static final CallLimits USUAL = new CallLimits(128, 512, 2);
}
