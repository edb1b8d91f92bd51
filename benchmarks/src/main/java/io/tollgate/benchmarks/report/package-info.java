/** The results of all measurements, and the page and charts made of them. Imports nothing of ours. Not thread-safe. */
@NullMarked
package io.tollgate.benchmarks.report;

import org.jspecify.annotations.NullMarked;
