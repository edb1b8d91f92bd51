/**
 * The entry point and the topology: sees every package, and none sees it.
 *
 * <p>The packages stand in the order in which a record flows: {@code ingest}, {@code policy}, {@code quota}, {@code route}; a
 * package imports only what stands before it.
 */
@NullMarked
package io.tollgate;

import org.jspecify.annotations.NullMarked;
