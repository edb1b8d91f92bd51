package io.tollgate.verify;

import org.jspecify.annotations.Nullable;

/** One record of the policies topic, as a {@code read_committed} consumer sees it. */
record PolicyRecord(int partition, long offset, byte @Nullable [] key, byte @Nullable [] value) {}
