package io.tollgate.verify;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One record of the settled topic, as a {@code read_committed} consumer sees it. */
record SettlementRecord(
        int partition, long offset, byte @Nullable [] key, byte @Nullable [] value, List<HeaderField> headers) {}
