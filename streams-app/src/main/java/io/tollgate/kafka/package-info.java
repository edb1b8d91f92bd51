/**
 * Additions to Kafka Streams and its clients, each with its reason. Knows nothing of quotas.
 *
 * <p>Every stage may import this package.
 */
@NullMarked
package io.tollgate.kafka;

import org.jspecify.annotations.NullMarked;
