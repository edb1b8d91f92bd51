/**
 * The one reader of settings and secrets, for the library, the pipeline and its commands.
 *
 * <p>First in the flow of this library beside {@code bucket}. Programs that use the library have no need of it.
 */
@NullMarked
package io.tollgate.env;

import org.jspecify.annotations.NullMarked;
