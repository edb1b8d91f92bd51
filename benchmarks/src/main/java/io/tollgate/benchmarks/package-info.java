/**
 * Measures Tollgate beside its peers, and writes docs/BENCHMARKS.md. Never shipped.
 *
 * <p>Stands outside of the flow and sees all. Not thread-safe unless a class says so.
 */
@NullMarked
package io.tollgate.benchmarks;

import org.jspecify.annotations.NullMarked;
