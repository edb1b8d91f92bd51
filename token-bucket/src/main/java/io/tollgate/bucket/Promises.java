package io.tollgate.bucket;

import java.util.List;

/**
 * The terms that an agent is promised now, and its earlier ones. Immutable.
 *
 * <p>Each promise counts from its own moment, whenever the agent asks next. The time before is credited by the promise
 * before; then a smaller capacity cuts, and a larger one gives nothing.
 *
 * @param terms the terms promised now
 * @param sinceSeconds the moment from which they count, seconds since the epoch; infinite: from their first use
 * @param earlier earlier promises, oldest first; only those that may matter to a bucket not asked for since
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

    /** Returns whether a limit, present or earlier, is a calendar limit. */
    public boolean needsClock() {
        if (terms.isByCalendar()) return true;
        for (var before : earlier) if (before.terms().isByCalendar()) return true;
        return false;
    }

    /** Returns a promise without a history, which counts from its first use. */
    public static Promises of(Terms terms) {
        return new Promises(terms, Double.POSITIVE_INFINITY, List.of());
    }
}
