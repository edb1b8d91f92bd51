package io.tollgate.verify;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One record of a topic, as a {@code read_committed} consumer sees it. */
record TopicRecord(
        int partition,
        long offset,
        long timestampMillis,
        byte @Nullable [] key,
        byte @Nullable [] value,
        List<HeaderField> headers) {}
