/**
 * Counters and timers.
 *
 * <p>Shared ground: every stage may import it. Thread-safe.
 */
@NullMarked
package io.tollgate.metrics;

import org.jspecify.annotations.NullMarked;
