/**
 * Decides each request against its agent's bucket: in Redis while it answers, in the mirror while it does not. Settles
 * holds.
 *
 * <p>Fourth stage of the flow. A slow Redis never reaches past this package. One instance serves one task on one thread,
 * unless a type says otherwise.
 */
@NullMarked
package io.tollgate.quota;

import org.jspecify.annotations.NullMarked;
