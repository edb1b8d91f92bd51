/** Tests of the files under {@code schemas/}: what they promise, and that their examples keep the promise. */
@NullMarked
package io.tollgate.schemas;

import org.jspecify.annotations.NullMarked;
