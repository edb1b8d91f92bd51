/**
 * Measurements with a broker and a Redis in processes of their own, and what the simulator makes of their costs. Imports
 * {@code micro}, {@code report} and what is measured. Not thread-safe unless a class says so.
 */
@NullMarked
package io.tollgate.benchmarks.run;

import org.jspecify.annotations.NullMarked;
