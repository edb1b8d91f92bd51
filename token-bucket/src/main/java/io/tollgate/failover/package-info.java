/**
 * Keeps deciding when Redis is away: the breaker, and buckets that fail over between Redis and memory.
 *
 * <p>Stands after {@code redis} in the flow. Thread-safe.
 */
@NullMarked
package io.tollgate.failover;

import org.jspecify.annotations.NullMarked;
