/**
 * Writes decisions as the records that workers and auditors read.
 *
 * <p>Last stage of the flow.
 */
@NullMarked
package io.tollgate.route;

import org.jspecify.annotations.NullMarked;
