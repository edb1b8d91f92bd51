package io.tollgate.bucket;

/**
 * One request to spend. Immutable.
 *
 * @param offset its place in its source, rising within one source; {@link #UNORDERED} or {@link #SETTLEMENT} where there is no source
 * @param costTokens from 0 to 1e12; of a settlement, from -1e12
 */
public record Charge(long offset, double costTokens) {
    /** The offset of a request that comes from no source: it is never recognised as a replay. */
    public static final long UNORDERED = -1;

    /** The offset of a settlement: charged whatever is left. A negative cost gives back, never above the capacity. */
    public static final long SETTLEMENT = -2;

    /** @throws IllegalArgumentException if the cost is negative, NaN or too large, or the offset below -2 */
    public Charge {
        double least = offset == SETTLEMENT ? -Limit.LARGEST : 0;
        if (!(costTokens >= least && costTokens <= Limit.LARGEST)) {
            throw new IllegalArgumentException("cost must be from 0 to 1e12 tokens, but is " + costTokens);
        }
        if (offset < SETTLEMENT) throw new IllegalArgumentException("offset must not be negative, but is " + offset);
    }

    /** Returns a request from no source. */
    public static Charge of(double costTokens) {
        return new Charge(UNORDERED, costTokens);
    }

    /** Returns what is charged whatever is left, or given back where it is negative. */
    public static Charge settlement(double costTokens) {
        return new Charge(SETTLEMENT, costTokens);
    }

    /** Returns whether it is charged whatever is left. */
    public boolean isSettlement() {
        return offset == SETTLEMENT;
    }
}
