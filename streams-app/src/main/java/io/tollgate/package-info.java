/**
 * The entry point: wires the commands.
 *
 * <p>A record flows through {@code ingest}, {@code policy}, {@code quota}, {@code route} and {@code events};
 * {@code pipeline} puts them together. A package imports only what stands before it.
 */
@NullMarked
package io.tollgate;

import org.jspecify.annotations.NullMarked;
