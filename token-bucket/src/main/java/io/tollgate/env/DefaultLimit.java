package io.tollgate.env;

import io.tollgate.bucket.Limit;

/**
 * The limit of agents without a policy: TOKEN_BUCKET_SIZE, default 1000 tokens, and TOKEN_REFILL_RATE, default 10
 * tokens per second.
 */
public final class DefaultLimit {
    private static final double CAPACITY_TOKENS = 1000;
    private static final double REFILL_TOKENS_PER_SECOND = 10;

    private DefaultLimit() {}

    /** Returns the limit set by the variables; notes mistakes. */
    public static Limit from(Env env) {
        return new Limit(
                env.number(
                        "TOKEN_BUCKET_SIZE",
                        CAPACITY_TOKENS,
                        0,
                        0,
                        Limit.LARGEST,
                        "must be a number above 0 and at most 1e12"),
                env.number(
                        "TOKEN_REFILL_RATE",
                        REFILL_TOKENS_PER_SECOND,
                        Double.NEGATIVE_INFINITY,
                        0,
                        Limit.LARGEST,
                        "must be a number from 0 to 1e12"));
    }
}
