/** Runs each file of {@code connectors/} as it is: real Connect worker, PostgreSQL, broker, Redis and pipeline. */
@NullMarked
package io.tollgate.connectors;

import org.jspecify.annotations.NullMarked;
