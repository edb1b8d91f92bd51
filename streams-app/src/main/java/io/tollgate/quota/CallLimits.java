package io.tollgate.quota;

/**
 * How much one task asks of Redis at a time, and how many of its answers it has stored with the decisions.
 *
 * @param agents in one call: a script of about a millisecond, after which Redis serves others
 * @param requests in one call, about: a script of about a millisecond and a half
 * @param calls that Redis may have to answer at a time: one that it runs, and one that it finds when it has
 * @param storedAnswers agents for which Redis answered that are written with their decisions, in each commit of all tasks: so few
 *     cost next to nothing
 */
public record CallLimits(int agents, int requests, int calls, int storedAnswers) {
    /** What a pipeline asks. */
    public static final CallLimits USUAL = new CallLimits(128, 512, 2, 512);
}
