package io.tollgate.config;

import io.lettuce.core.RedisURI;
import io.tollgate.env.Env;
import io.tollgate.env.RedisAddress;
import java.time.Duration;
import java.util.Optional;

/**
 * The address of the shared buckets, and the longest wait for them.
 *
 * @param uri REDIS_URL, with the user and password of REDIS_USERNAME and REDIS_PASSWORD if they are set; empty: local
 *     buckets only. Its {@code toString} masks the password.
 * @param timeout longest wait for one poll's decisions; TOLLGATE_REDIS_TIMEOUT_MS, default 100, from 1 to 10000
 */
public record RedisConfig(Optional<RedisURI> uri, Duration timeout) {
    static RedisConfig from(Env env) {
        int millis =
                env.whole("TOLLGATE_REDIS_TIMEOUT_MS", 100, 1, 10_000, "must be whole milliseconds from 1 to 10000");
        return new RedisConfig(RedisAddress.from(env), Duration.ofMillis(millis));
    }
}
