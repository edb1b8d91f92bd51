package io.tollgate.failover;

/** One node of Redis, as seen by the code that decides. Thread-safe. */
interface RedisNode extends CallBreaker {
    /** Returns the number of outages. After an outage the node may have lost earlier answers. */
    long outages();
}
