/**
 * Bytes in, a request or the reason why it is none out.
 *
 * <p>Second stage of the flow. Bad input never throws past this package.
 */
@NullMarked
package io.tollgate.ingest;

import org.jspecify.annotations.NullMarked;
