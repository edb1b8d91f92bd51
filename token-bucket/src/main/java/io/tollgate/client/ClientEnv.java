package io.tollgate.client;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Limit;
import io.tollgate.env.DefaultLimit;
import io.tollgate.env.Env;
import io.tollgate.env.RedisAddress;
import java.util.Map;
import java.util.Optional;

/**
 * What the environment says to a program that shares the buckets. Immutable.
 *
 * @param limit TOKEN_BUCKET_SIZE and TOKEN_REFILL_RATE
 * @param redis where REDIS_URL says that Redis is; empty: nowhere
 */
record ClientEnv(Limit limit, Optional<RedisURI> redis) {
    /** @throws IllegalArgumentException if a variable is not legal, or nearly one of ours; the message names each of them */
    static ClientEnv from(Map<String, String> variables) {
        var env = Env.of(variables);
        var read = new ClientEnv(DefaultLimit.from(env), RedisAddress.from(env));
        env.rejectUnknown();
        if (!env.mistakes().isEmpty()) throw new IllegalArgumentException(String.join("; ", env.mistakes()));
        return read;
    }
}
