/**
 * What is wrong around the pipeline, found before any record is touched and said in one line each. Looks at brokers, Redis, clocks
 * and the state folder from outside of the flow. Thread-safe: every look is a value of its own.
 */
@NullMarked
package io.tollgate.preflight;

import org.jspecify.annotations.NullMarked;
