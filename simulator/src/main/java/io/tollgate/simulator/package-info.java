/**
 * Predicts pipelines larger than one machine, in simulated time. Knows no other module: what steps cost is measured by
 * the benchmarks. Not thread-safe.
 */
@NullMarked
package io.tollgate.simulator;

import org.jspecify.annotations.NullMarked;
