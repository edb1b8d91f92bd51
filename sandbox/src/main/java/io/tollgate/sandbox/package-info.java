/**
 * The command {@code sandbox}: the parts of {@code process} together, sample agents, and a summary.
 *
 * <p>A leaf: it knows no other module, and runs the application's jar as any user would. Not thread-safe unless a class
 * says so.
 */
@NullMarked
package io.tollgate.sandbox;

import org.jspecify.annotations.NullMarked;
