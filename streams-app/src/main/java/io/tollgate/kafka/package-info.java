/**
 * What Kafka Streams and its clients do not do by themselves, each with its reason. Knows no quota.
 *
 * <p>Shared ground: every stage may import it.
 */
@NullMarked
package io.tollgate.kafka;

import org.jspecify.annotations.NullMarked;
