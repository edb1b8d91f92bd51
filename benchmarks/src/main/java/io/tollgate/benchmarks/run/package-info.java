/**
 * Measurements with a broker and a Redis in processes of their own, and simulations with the costs they have measured.
 * Imports {@code micro}, {@code report} and what is measured. Not thread-safe unless a class says so.
 */
@NullMarked
package io.tollgate.benchmarks.run;

import org.jspecify.annotations.NullMarked;
