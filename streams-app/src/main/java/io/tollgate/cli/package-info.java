/**
 * The commands, one class each, and policies as text.
 *
 * <p>Beside the flow: reads settings, topics and the running pipeline's HTTP, and knows no processor. The entry point hands each
 * command where its settings come from, and {@code run} the pipeline. Not thread-safe: a command runs
 * once, on one thread.
 */
@NullMarked
package io.tollgate.cli;

import org.jspecify.annotations.NullMarked;
