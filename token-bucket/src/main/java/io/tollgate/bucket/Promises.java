package io.tollgate.bucket;

import java.util.List;

/**
 * What an agent is promised now, and what it was promised before. Immutable.
 *
 * <p>Each promise counts from its own moment on, whenever the agent asks next: the time before is credited by the one before it,
 * then a smaller capacity cuts, and a larger one gives nothing.
 *
 * @param terms what it is promised now
 * @param sinceSeconds seconds since the epoch from which that counts; infinite: from whenever it is first asked for
 * @param earlier what it was promised before, oldest first; only what may matter to a bucket that was not asked for since
 */
public record Promises(Terms terms, double sinceSeconds, List<Earlier> earlier) {
    /** A promise that was replaced by the next one. */
    public record Earlier(Terms terms, double sinceSeconds) {}

    /** @throws IllegalArgumentException if a moment is NaN */
    public Promises {
        earlier = List.copyOf(earlier);
        boolean known = !Double.isNaN(sinceSeconds);
        for (var before : earlier) known &= !Double.isNaN(before.sinceSeconds());
        if (!known) throw new IllegalArgumentException("a promise counts from a moment, but that is NaN");
    }

    /** Returns whether a limit, of now or of before, is one of the calendar. */
    public boolean needsClock() {
        if (terms.isByCalendar()) return true;
        for (var before : earlier) if (before.terms().isByCalendar()) return true;
        return false;
    }

    /** Returns a promise without a history, which counts from whenever it is first asked for. */
    public static Promises of(Terms terms) {
        return new Promises(terms, Double.POSITIVE_INFINITY, List.of());
    }
}
