/**
 * Settings, read once from the environment.
 *
 * <p>Shared ground: every stage may import it. Immutable, except for the collector of mistakes.
 */
@NullMarked
package io.tollgate.config;

import org.jspecify.annotations.NullMarked;
