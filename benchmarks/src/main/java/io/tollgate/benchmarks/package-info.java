/**
 * The command line of the benchmarks, which measure Tollgate beside its peers. Sees all; nobody sees it. Never shipped.
 */
@NullMarked
package io.tollgate.benchmarks;

import org.jspecify.annotations.NullMarked;
