/**
 * The open holds of one task's agents.
 *
 * <p>Fourth stage of the flow. One instance serves one task on one thread, unless a type says otherwise.
 */
@NullMarked
package io.tollgate.holds;

import org.jspecify.annotations.NullMarked;
