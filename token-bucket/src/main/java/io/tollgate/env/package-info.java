/**
 * The one reader of settings and secrets, for the library, the pipeline and its commands.
 *
 * <p>Comes first in the flow of this library, beside {@code bucket}. Programs that use the library do not need it.
 */
@NullMarked
package io.tollgate.env;

import org.jspecify.annotations.NullMarked;
