package io.tollgate.bucket;

/** The refill of a bucket over time. Immutable and thread-safe. */
public sealed interface Refill permits Refill.Steady, CalendarRefill {
    /**
     * Returns the tokens at {@code nowSeconds}, not cut to the capacity.
     *
     * @param leftSeconds the time at which they were left; if that is not before now, nothing is gained
     */
    double refilled(double tokens, double capacityTokens, double leftSeconds, double nowSeconds);

    /**
     * Returns the seconds without spending until the missing tokens are there, if the capacity covers them; infinite or
     * NaN: never.
     */
    double waitSeconds(double missingTokens, double nowSeconds);

    /**
     * A steady refill.
     *
     * @param tokensPerSecond from 0 (the bucket never refills) to 1e12
     */
    record Steady(double tokensPerSecond) implements Refill {
        /** @throws IllegalArgumentException if the rate is out of range or not a number */
        public Steady {
            if (!(tokensPerSecond >= 0 && tokensPerSecond <= Limit.LARGEST)) {
                throw new IllegalArgumentException(
                        "refillTokensPerSecond must be from 0 to 1e12, but is " + tokensPerSecond);
            }
        }

        @Override
        public double refilled(double tokens, double capacityTokens, double leftSeconds, double nowSeconds) {
            // Two clocks differ: a step back must neither take tokens away nor credit the same second twice.
            double elapsedSeconds = nowSeconds - leftSeconds;
            return elapsedSeconds > 0 ? tokens + elapsedSeconds * tokensPerSecond : tokens;
        }

        @Override
        public double waitSeconds(double missingTokens, double nowSeconds) {
            return missingTokens / tokensPerSecond;
        }
    }
}
