package io.tollgate.verify;

import org.jspecify.annotations.Nullable;

/** One header of a record, in the order in which they stand there. */
record HeaderField(String name, byte @Nullable [] value) {
    /** Whether the name belongs to the pipeline: agents cannot set these. */
    boolean isQuota() {
        return name.startsWith("quota-");
    }
}
