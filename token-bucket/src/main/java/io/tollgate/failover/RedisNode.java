package io.tollgate.failover;

/** One node of Redis, as whoever decides sees it. Thread-safe. */
interface RedisNode extends CallBreaker {
    /** Returns how often it has been away: afterwards it may have lost what it had answered. */
    long outages();
}
