/**
 * Health and metrics over HTTP.
 *
 * <p>Beside the flow: it looks at the pipeline from outside.
 */
@NullMarked
package io.tollgate.http;

import org.jspecify.annotations.NullMarked;
