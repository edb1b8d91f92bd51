/**
 * The API for programs outside Kafka.
 *
 * <p>Last in the flow of this library: it sees everything, nothing sees it. Thread-safe.
 */
@NullMarked
package io.tollgate.client;

import org.jspecify.annotations.NullMarked;
