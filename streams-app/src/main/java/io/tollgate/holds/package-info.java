/**
 * What is reserved and not settled: the open holds of one task's agents.
 *
 * <p>Between what was promised and what is decided. One instance serves one task on one thread, unless a type says otherwise.
 */
@NullMarked
package io.tollgate.holds;

import org.jspecify.annotations.NullMarked;
