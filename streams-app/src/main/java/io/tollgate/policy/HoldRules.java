package io.tollgate.policy;

/**
 * A policy's rules for holds: requests that name an estimate, and are settled when the real cost is known. Immutable.
 *
 * @param withinSeconds the time after its approval within which a hold may be settled, from 1 to
 *     {@value #LONGEST_SECONDS}
 * @param unsettled the end of a hold that nobody settles within that time
 * @param maxOpen the most holds an agent may have open at a time, from 1 to {@value #MOST_OPEN}
 */
public record HoldRules(int withinSeconds, Unsettled unsettled, int maxOpen) {
    /** A week. */
    public static final int LONGEST_SECONDS = 604_800;

    public static final int MOST_OPEN = 100_000;

    /** The rules of a policy that does not mention holds. */
    public static final HoldRules DEFAULT = new HoldRules(600, Unsettled.CHARGED, 1_000);

    /** @throws IllegalArgumentException if a number is out of range */
    public HoldRules {
        if (withinSeconds < 1 || withinSeconds > LONGEST_SECONDS || maxOpen < 1 || maxOpen > MOST_OPEN) {
            throw new IllegalArgumentException("hold rules are out of range: " + withinSeconds + " s, " + maxOpen);
        }
    }

    /** Returns the tokens that count as used of a hold that nobody settles. */
    public double usedTokensUnsettled(double reservedTokens) {
        return unsettled == Unsettled.CHARGED ? reservedTokens : 0;
    }

    /** Returns when a hold that is opened now ends by itself, microseconds since the epoch. */
    public long deadlineMicros(long openedMicros) {
        return openedMicros + withinSeconds * 1_000_000L;
    }
}
