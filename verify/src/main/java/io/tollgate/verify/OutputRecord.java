package io.tollgate.verify;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One record of the approved or the rejected topic, as a {@code read_committed} consumer sees it. */
record OutputRecord(
        OutputTopic outcome,
        int partition,
        long offset,
        long timestampMillis,
        byte @Nullable [] key,
        byte @Nullable [] value,
        List<HeaderField> headers) {}
