package io.tollgate.bucket;

/** What time gives back to a bucket. Immutable and thread-safe. */
public sealed interface Refill permits Refill.Steady, CalendarRefill {
    /**
     * Returns the tokens at {@code nowSeconds}, not cut to the capacity.
     *
     * @param leftSeconds when they were left; where that is not before now, nothing is gained
     */
    double refilled(double tokens, double capacityTokens, double leftSeconds, double nowSeconds);

    /**
     * Returns after how many seconds without spending the missing tokens will be there, if the capacity covers them; infinite or NaN:
     * never.
     */
    double waitSeconds(double missingTokens, double nowSeconds);

    /**
     * The same in each second.
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
            // Two clocks differ: a step back must neither take tokens away nor let the same second be credited twice.
            double elapsedSeconds = nowSeconds - leftSeconds;
            return elapsedSeconds > 0 ? tokens + elapsedSeconds * tokensPerSecond : tokens;
        }

        @Override
        public double waitSeconds(double missingTokens, double nowSeconds) {
            return missingTokens / tokensPerSecond;
        }
    }
}
