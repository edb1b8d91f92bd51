/**
 * Counters and timers.
 *
 * <p>Every stage may import this package. Thread-safe.
 */
@NullMarked
package io.tollgate.metrics;

import org.jspecify.annotations.NullMarked;
