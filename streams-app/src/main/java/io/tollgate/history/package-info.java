/**
 * What the topics still tell of decisions that were made: single ones, and what others would have been under other policies.
 *
 * <p>Stands beside the flow and only reads. Nothing in this package is thread-safe.
 */
@NullMarked
package io.tollgate.history;

import org.jspecify.annotations.NullMarked;
