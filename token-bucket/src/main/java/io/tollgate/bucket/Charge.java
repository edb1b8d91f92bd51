package io.tollgate.bucket;

/**
 * One request to spend. Immutable.
 *
 * @param offset its place in its source, rising within one source; {@link #UNORDERED} where there is no source
 * @param costTokens from 0 to 1e12
 */
public record Charge(long offset, double costTokens) {
    /** The offset of a request that comes from no source: it is never recognised as a replay. */
    public static final long UNORDERED = -1;

    /** @throws IllegalArgumentException if the cost is negative, NaN or too large, or the offset below -1 */
    public Charge {
        if (!(costTokens >= 0 && costTokens <= Limit.LARGEST)) {
            throw new IllegalArgumentException("cost must be from 0 to 1e12 tokens, but is " + costTokens);
        }
        if (offset < UNORDERED) throw new IllegalArgumentException("offset must not be negative, but is " + offset);
    }

    /** Returns a request from no source. */
    public static Charge of(double costTokens) {
        return new Charge(UNORDERED, costTokens);
    }
}
