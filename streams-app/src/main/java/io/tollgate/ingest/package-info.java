/**
 * Turns bytes into a request, or into the reason why they are not one.
 *
 * <p>Second stage of the flow. Bad input never throws past this package.
 */
@NullMarked
package io.tollgate.ingest;

import org.jspecify.annotations.NullMarked;
