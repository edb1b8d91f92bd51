package io.tollgate.redis;

import io.lettuce.core.RedisException;

/** One agent's key is unusable, for example of another type; Redis itself works. */
public final class UnusableKeyException extends RedisException {
    private static final long serialVersionUID = 1;

    UnusableKeyException(String message) {
        super(message);
    }
}
