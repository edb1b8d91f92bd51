/**
 * The arithmetic of token buckets: pure functions over records, no I/O, no Redis, no Kafka.
 *
 * <p>First in the flow; everything else imports it. All types here are immutable or say so.
 */
@NullMarked
package io.tollgate.bucket;

import org.jspecify.annotations.NullMarked;
