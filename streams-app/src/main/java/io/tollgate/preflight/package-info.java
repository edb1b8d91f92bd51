/**
 * Finds problems around the pipeline before any record is touched, one line each. Checks brokers, Redis, clocks and the
 * state folder from outside the flow. Thread-safe: every check is a value of its own.
 */
@NullMarked
package io.tollgate.preflight;

import org.jspecify.annotations.NullMarked;
