/**
 * Tells when an agent comes near its limit, is refused, or recovers: one record now and then, instead of one for
 * every rejection.
 *
 * <p>Last stage of the flow, beside the decided records. Each object serves one stream thread.
 */
@NullMarked
package io.tollgate.events;

import org.jspecify.annotations.NullMarked;
