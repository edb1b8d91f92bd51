/**
 * The independent checker: reads the topics as any consumer would and says whether the invariants of the contract hold.
 *
 * <p>Stands outside the flow and shares no code with it, so that a mistake in the deciding path cannot excuse itself
 * here. Nothing in this package is thread-safe.
 */
@NullMarked
package io.tollgate.verify;

import org.jspecify.annotations.NullMarked;
