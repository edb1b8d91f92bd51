package io.tollgate.preflight;

import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;

/** Asks a Redis server for its version. */
public final class RedisVersion {
    private static final Pattern VERSION = Pattern.compile("(?m)^(redis|valkey)_version:(\\S+)");

    private RedisVersion() {}

    /**
     * Returns the version; empty if the server does not answer within some seconds, or refuses to tell: a user needs
     * the right to INFO.
     */
    public static Optional<String> of(RedisURI address) {
        var client = RedisCheck.client(address);
        try (var connection = client.connect()) {
            return VERSION.matcher(connection.sync().info("server"))
                    .results()
                    .reduce((first, last) -> last.group(1).equals("valkey") ? last : first)
                    .map(found -> found.group(1).equals("valkey") ? "Valkey " + found.group(2) : found.group(2));
        } catch (RedisException awayOrForbidden) {
            return Optional.empty();
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }
}
