/**
 * Measurements within one process: JMH benchmarks, and the memory of policies. Imports {@code report} and what is
 * measured. Not thread-safe unless a class says so.
 */
@NullMarked
package io.tollgate.benchmarks.micro;

import org.jspecify.annotations.NullMarked;
