package io.tollgate.client;

import io.lettuce.core.RedisURI;
import io.lettuce.core.StaticCredentialsProvider;
import io.tollgate.bucket.Limit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoublePredicate;
import java.util.regex.Pattern;

/** What the environment says to a program that shares the buckets. Immutable; every method throws where a variable is not legal. */
record ClientEnv(Map<String, String> variables) {
    private static final double DEFAULT_CAPACITY_TOKENS = 1000;
    private static final double DEFAULT_REFILL_TOKENS_PER_SECOND = 10;
    private static final int MAX_SECRET_BYTES = 65_536;

    private static final Pattern DECIMAL = Pattern.compile("[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?");

    Limit limit() {
        return new Limit(
                number("TOKEN_BUCKET_SIZE", DEFAULT_CAPACITY_TOKENS, "a number above 0 and at most 1e12", n -> n > 0),
                number("TOKEN_REFILL_RATE", DEFAULT_REFILL_TOKENS_PER_SECOND, "a number from 0 to 1e12", n -> n >= 0));
    }

    /** Returns where Redis is; empty: nowhere. */
    Optional<RedisURI> redis() {
        var username = secret("REDIS_USERNAME");
        var password = secret("REDIS_PASSWORD");
        if (username.isPresent() && password.isEmpty()) {
            throw new IllegalArgumentException("REDIS_USERNAME is set, but REDIS_PASSWORD is not");
        }
        var uri = secret("REDIS_URL").map(ClientEnv::uri);
        uri.ifPresent(address -> password.ifPresent(secret -> address.setCredentialsProvider(
                new StaticCredentialsProvider(username.orElse(null), secret.toCharArray()))));
        return uri;
    }

    private double number(String name, double otherwise, String rule, DoublePredicate least) {
        var text = text(name);
        if (text.isEmpty()) return otherwise;
        // Double.parseDouble alone takes NaN, 0x1p3 and 10d.
        double number =
                text.filter(DECIMAL.asMatchPredicate()).map(Double::parseDouble).orElse(Double.NaN);
        if (!least.test(number) || number > Limit.LARGEST) {
            throw new IllegalArgumentException(name + " must be " + rule + ", but is \"" + variables.get(name) + "\"");
        }
        return number;
    }

    private Optional<String> text(String name) {
        return Optional.ofNullable(variables.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }

    /** Returns what the variable says, or the file that {@code name_FILE} names. Messages show neither. */
    private Optional<String> secret(String name) {
        var value = text(name);
        var file = text(name + "_FILE");
        if (file.isEmpty()) return value;
        if (value.isPresent()) {
            throw new IllegalArgumentException(name + " and " + name + "_FILE are both set: set one of them");
        }
        return Optional.of(read(file.get())
                .orElseThrow(
                        () -> new IllegalArgumentException(name + "_FILE must name a file that can be read and holds up"
                                + " to " + MAX_SECRET_BYTES + " bytes, but is \"" + file.get() + "\"")));
    }

    private static Optional<String> read(String file) {
        try {
            var path = Path.of(file);
            if (Files.size(path) > MAX_SECRET_BYTES) return Optional.empty();
            return Optional.of(Files.readString(path).replaceFirst("\\r?\\n$", ""))
                    .filter(text -> !text.isBlank());
        } catch (IOException | InvalidPathException unreadable) {
            return Optional.empty();
        }
    }

    private static RedisURI uri(String url) {
        try {
            return RedisURI.create(url);
        } catch (IllegalArgumentException e) {
            // Without the value: it may hold a password.
            throw new IllegalArgumentException(
                    "REDIS_URL must be a redis://, rediss://, redis-sentinel:// or redis-socket:// address");
        }
    }
}
