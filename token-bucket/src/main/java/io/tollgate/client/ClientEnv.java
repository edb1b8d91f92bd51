package io.tollgate.client;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Limit;
import io.tollgate.env.DefaultLimit;
import io.tollgate.env.Env;
import io.tollgate.env.RedisAddress;
import java.util.Map;
import java.util.Optional;

/**
 * Settings of a program that shares the buckets, from the environment. Immutable.
 *
 * @param limit TOKEN_BUCKET_SIZE and TOKEN_REFILL_RATE
 * @param redis the address in REDIS_URL; empty if there is none
 */
record ClientEnv(Limit limit, Optional<RedisURI> redis) {
    /**
     * @throws IllegalArgumentException if a variable is illegal, or is a near miss of one of ours; the message names
     * each of them
     */
    static ClientEnv from(Map<String, String> variables) {
        var env = Env.of(variables);
        var read = new ClientEnv(DefaultLimit.from(env), RedisAddress.from(env));
        env.rejectUnknown();
        if (!env.mistakes().isEmpty()) throw new IllegalArgumentException(String.join("; ", env.mistakes()));
        return read;
    }
}
