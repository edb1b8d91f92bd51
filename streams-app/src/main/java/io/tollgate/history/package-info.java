/**
 * Past decisions, as the topics hold them: explanations of single ones, and replays under other policies.
 *
 * <p>Stands beside the flow and only reads. Nothing in this package is thread-safe.
 */
@NullMarked
package io.tollgate.history;

import org.jspecify.annotations.NullMarked;
