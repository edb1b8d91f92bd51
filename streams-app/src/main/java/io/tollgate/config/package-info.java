/**
 * Settings, read once from the environment.
 *
 * <p>Every stage may import this package. Immutable, except for the collector of mistakes.
 */
@NullMarked
package io.tollgate.config;

import org.jspecify.annotations.NullMarked;
