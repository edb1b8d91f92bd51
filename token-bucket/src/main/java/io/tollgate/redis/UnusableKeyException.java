package io.tollgate.redis;

import io.lettuce.core.RedisException;

/** One agent's key cannot be used, such as one of another type; Redis itself is well. */
public final class UnusableKeyException extends RedisException {
    private static final long serialVersionUID = 1;

    UnusableKeyException(String message) {
        super(message);
    }
}
