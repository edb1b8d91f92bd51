/**
 * Buckets in Redis, decided by one atomic script ({@code spend.lua}).
 *
 * <p>Stands after {@code bucket} in the flow. Thread-safe.
 */
@NullMarked
package io.tollgate.redis;

import org.jspecify.annotations.NullMarked;
