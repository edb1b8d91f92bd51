/**
 * A real Kafka broker, a real Redis and the real application as child processes on loopback, for tests, benchmarks and newcomers.
 *
 * <p>A leaf: it knows no other module, and runs the application's jar as anybody would. All public types may be used by many
 * threads. No child outlives this JVM, not even when it is killed.
 */
@NullMarked
package io.tollgate.sandbox;

import org.jspecify.annotations.NullMarked;
