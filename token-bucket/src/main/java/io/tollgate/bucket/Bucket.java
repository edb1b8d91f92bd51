package io.tollgate.bucket;

/**
 * An agent's bucket at one moment. Immutable.
 *
 * <p>Doubles, and seconds instead of microseconds, because the Redis layout shared with other programs has these.
 *
 * @param tokens tokens left; below 0 if a settlement took more, or another program overdrew it
 * @param lastRefillSeconds seconds since the epoch, on the bucket's clock, up to which refill has been credited
 */
public record Bucket(double tokens, double lastRefillSeconds) {
    /**
     * @throws IllegalArgumentException if a number is NaN or infinite: such a bucket would approve, or refuse, for ever
     */
    public Bucket {
        if (!Double.isFinite(tokens) || !Double.isFinite(lastRefillSeconds)) {
            throw new IllegalArgumentException(
                    "a bucket holds finite numbers, but is " + tokens + " at " + lastRefillSeconds);
        }
    }

    /** Returns a full bucket. An absent bucket is full as well. */
    public static Bucket full(Limit limit, double nowSeconds) {
        return new Bucket(limit.capacityTokens(), nowSeconds);
    }
}
