/**
 * Console, API, health and metrics over HTTP.
 *
 * <p>Beside the flow: sees the pipeline from outside. Thread-safe: any thread of the server serves any call.
 */
@NullMarked
package io.tollgate.http;

import org.jspecify.annotations.NullMarked;
