package io.tollgate.verify;

import org.jspecify.annotations.Nullable;

/** One header of a record. */
record HeaderField(String name, byte @Nullable [] value) {
    /** Returns whether the name belongs to the pipeline: agents cannot set these. */
    boolean isQuota() {
        return name.startsWith("quota-");
    }
}
