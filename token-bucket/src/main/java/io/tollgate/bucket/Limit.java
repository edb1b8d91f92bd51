package io.tollgate.bucket;

/**
 * What an agent may spend: {@code capacityTokens} at once, and the refill for ever after. Immutable.
 *
 * @param capacityTokens size of the bucket, above 0 and at most 1e12
 * @param refill how the bucket fills again
 */
public record Limit(double capacityTokens, Refill refill) {
    /** The largest capacity, refill rate and cost. Above it, doubles begin to lose whole tokens. */
    public static final double LARGEST = 1e12;

    /** @throws IllegalArgumentException if the capacity is out of range or not a number */
    public Limit {
        if (!(capacityTokens > 0 && capacityTokens <= LARGEST)) { // NaN fails every rule
            throw new IllegalArgumentException(
                    "capacityTokens must be above 0 and at most 1e12, but is " + capacityTokens);
        }
    }

    /**
     * Makes a limit that refills steadily.
     *
     * @param refillTokensPerSecond from 0 (the bucket never refills) to 1e12
     * @throws IllegalArgumentException if a number is out of range or not a number
     */
    public Limit(double capacityTokens, double refillTokensPerSecond) {
        this(capacityTokens, new Refill.Steady(refillTokensPerSecond));
    }

    /**
     * Returns a limit of so many tokens for each calendar period in this zone: the bucket is full at its start, and
     * does not refill within it.
     *
     * @param zone a name of the tz database, such as {@code Europe/Berlin}
     * @throws IllegalArgumentException if the capacity is out of range, or this JVM knows no such zone
     */
    public static Limit each(Period period, String zone, double capacityTokens) {
        return new Limit(capacityTokens, CalendarRefill.of(period, zone));
    }

    /** Returns the tokens that it refills in a second; 0 for a calendar limit. */
    public double refillTokensPerSecond() {
        return refill instanceof Refill.Steady steady ? steady.tokensPerSecond() : 0;
    }

    /**
     * Returns whether a period starts after one moment, and not after another: then earlier spending no longer counts.
     */
    public boolean isFullBetween(double fromSeconds, double toSeconds) {
        return refill instanceof CalendarRefill calendar && fromSeconds < calendar.startOf(toSeconds);
    }

    /** Returns the tokens at this moment, never above the capacity. */
    double refilled(double tokens, double leftSeconds, double nowSeconds) {
        double gained = refill.refilled(tokens, capacityTokens, leftSeconds, nowSeconds);
        return gained > capacityTokens ? capacityTokens : gained;
    }

    /** Returns the seconds until it holds so many more tokens without spending; infinite or NaN: never. */
    public double waitSeconds(double missingTokens, double nowSeconds) {
        return refill.waitSeconds(missingTokens, nowSeconds);
    }
}
