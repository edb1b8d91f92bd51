package io.tollgate.failover;

import io.tollgate.bucket.BucketClock;

/** One node of Redis, as whoever decides sees it. Thread-safe. */
interface RedisNode extends CallBreaker {
    /** Returns the clock of the node, which goes on while it is away. */
    BucketClock clock();

    /** Returns how often it has been away: afterwards it may have lost what it had answered. */
    long outages();
}
