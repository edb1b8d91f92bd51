package io.tollgate.bucket;

/**
 * What an agent may spend: {@code capacityTokens} at once, and {@code refillTokensPerSecond} for ever after. Immutable.
 *
 * @param capacityTokens size of the bucket, above 0 and at most 1e12
 * @param refillTokensPerSecond from 0 (the bucket never refills) to 1e12
 */
public record Limit(double capacityTokens, double refillTokensPerSecond) {
    /** The largest capacity, refill rate and cost. Above it, doubles begin to lose whole tokens. */
    public static final double LARGEST = 1e12;

    /** @throws IllegalArgumentException if a number is out of range or not a number */
    public Limit {
        require(
                capacityTokens > 0 && capacityTokens <= LARGEST,
                "capacityTokens must be above 0 and at most 1e12",
                capacityTokens);
        require(
                refillTokensPerSecond >= 0 && refillTokensPerSecond <= LARGEST,
                "refillTokensPerSecond must be from 0 to 1e12",
                refillTokensPerSecond);
    }

    /** Returns how long an empty bucket needs to fill, in seconds; infinity if it never refills. */
    public double secondsToFill() {
        return capacityTokens / refillTokensPerSecond;
    }

    private static void require(boolean legal, String rule, double value) {
        if (!legal) throw new IllegalArgumentException(rule + ", but is " + value); // NaN fails every rule above
    }
}
