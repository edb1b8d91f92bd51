/**
 * The commands, one class each, and policies as text.
 *
 * <p>Stands beside the flow: reads settings, topics and the running pipeline's HTTP, and knows no processor. The entry
 * point gives each command its source of settings, and {@code run} the pipeline. Not thread-safe: a command runs once,
 * on one thread.
 */
@NullMarked
package io.tollgate.cli;

import org.jspecify.annotations.NullMarked;
