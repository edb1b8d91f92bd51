package io.tollgate.verify;

import org.jspecify.annotations.Nullable;

/**
 * One record of the policies topic, as a {@code read_committed} consumer sees it.
 *
 * @param timestampMillis milliseconds since the epoch
 */
record PolicyRecord(int partition, long offset, long timestampMillis, byte @Nullable [] key, byte @Nullable [] value) {}
