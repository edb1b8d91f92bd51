/**
 * Kafka, Redis, PostgreSQL, Kafka Connect and the application as child processes on loopback, and proxies that make
 * them fail. No child outlives this JVM, not even when it is killed.
 *
 * <p>Knows no other package. All public types are thread-safe.
 */
@NullMarked
package io.tollgate.sandbox.process;

import org.jspecify.annotations.NullMarked;
