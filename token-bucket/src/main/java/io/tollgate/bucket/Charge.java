package io.tollgate.bucket;

/**
 * One request to spend. Immutable.
 *
 * @param offset its position in its source, ascending within one source; {@link #UNORDERED} or {@link #SETTLEMENT}
 *     without a source
 * @param costTokens from 0 to 1e12; for a settlement, from -1e12
 */
public record Charge(long offset, double costTokens) {
    /** The offset of a request without a source: it is never recognised as a replay. */
    public static final long UNORDERED = -1;

    /**
     * The offset of a settlement: charged even if the bucket falls below zero. A negative cost gives tokens back, never
     * above the capacity.
     */
    public static final long SETTLEMENT = -2;

    /** @throws IllegalArgumentException if the cost is negative, NaN or too large, or the offset below -2 */
    public Charge {
        double least = offset == SETTLEMENT ? -Limit.LARGEST : 0;
        if (!(costTokens >= least && costTokens <= Limit.LARGEST)) {
            throw new IllegalArgumentException("cost must be from 0 to 1e12 tokens, but is " + costTokens);
        }
        if (offset < SETTLEMENT) throw new IllegalArgumentException("offset must not be negative, but is " + offset);
    }

    /** Returns a request without a source. */
    public static Charge of(double costTokens) {
        return new Charge(UNORDERED, costTokens);
    }

    /** Returns a settlement: charged even if the bucket falls below zero, or given back if negative. */
    public static Charge settlement(double costTokens) {
        return new Charge(SETTLEMENT, costTokens);
    }

    /** Returns whether it is charged even if the bucket falls below zero. */
    public boolean isSettlement() {
        return offset == SETTLEMENT;
    }
}
