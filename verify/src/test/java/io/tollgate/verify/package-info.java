/** Tests of the checker: it passes a sound history, and names the promise that an altered one breaks. */
@NullMarked
package io.tollgate.verify;

import org.jspecify.annotations.NullMarked;
