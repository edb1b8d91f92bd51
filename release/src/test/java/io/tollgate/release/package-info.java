/** Tests of what is released. */
@NullMarked
package io.tollgate.release;

import org.jspecify.annotations.NullMarked;
