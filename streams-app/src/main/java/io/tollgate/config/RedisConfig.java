package io.tollgate.config;

import io.lettuce.core.RedisURI;
import io.lettuce.core.StaticCredentialsProvider;
import io.tollgate.env.Env;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/**
 * Where the shared buckets live and how long to wait for them.
 *
 * @param uri REDIS_URL, with the user and password of REDIS_USERNAME and REDIS_PASSWORD where they are set; empty: local
 *     buckets only. Its {@code toString} masks the password.
 * @param timeout longest wait for one poll's decisions; TOLLGATE_REDIS_TIMEOUT_MS, default 100, from 1 to 10000
 */
public record RedisConfig(Optional<RedisURI> uri, Duration timeout) {
    static RedisConfig from(Env env) {
        int millis =
                env.whole("TOLLGATE_REDIS_TIMEOUT_MS", 100, 1, 10_000, "must be whole milliseconds from 1 to 10000");
        var uri = env.secret("REDIS_URL").flatMap(url -> parse(env, url));
        logIn(env, uri);
        return new RedisConfig(uri, Duration.ofMillis(millis));
    }

    /** The two variables go before what the address says. */
    private static void logIn(Env env, Optional<RedisURI> uri) {
        var username = env.secret("REDIS_USERNAME");
        var password = env.secret("REDIS_PASSWORD");
        if (username.isPresent() && password.isEmpty()) {
            env.mistake("REDIS_USERNAME is set, but REDIS_PASSWORD is not: set both, or put them into REDIS_URL");
        }
        password.ifPresent(secret -> uri.ifPresent(address -> address.setCredentialsProvider(
                new StaticCredentialsProvider(username.orElse(null), secret.toCharArray()))));
    }

    private static Optional<RedisURI> parse(Env env, String url) {
        try {
            checkAuthority(url);
            return Optional.of(RedisURI.create(url));
        } catch (IllegalArgumentException e) {
            env.mistake(
                    "REDIS_URL must be a redis://, rediss://, redis-sentinel:// or redis-socket:// address, but is \""
                            + masked(url) + "\"");
            return Optional.empty();
        }
    }

    /** Lettuce takes host:port for a name, and goes to localhost where there is no host. */
    private static void checkAuthority(String url) {
        if (!url.matches("rediss?://.*")) return;
        var uri = URI.create(url);
        if (uri.getHost() == null || uri.getPort() == 0 || uri.getPort() > 65_535) throw new IllegalArgumentException();
    }

    /** Returns the address without what may be a user and a password, even where they stand in the wrong place. */
    private static String masked(String url) {
        int at = url.lastIndexOf('@');
        int scheme = url.indexOf("://");
        var shown = at < 0
                ? url
                : (scheme > 0 && scheme < at ? url.substring(0, scheme + 3) : "") + "***" + url.substring(at);
        return shown.replaceAll(":(?!//)(?!\\d{1,5}(\\D|$))[^/@]+", ":***");
    }
}
