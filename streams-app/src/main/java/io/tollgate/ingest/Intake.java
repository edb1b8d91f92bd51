package io.tollgate.ingest;

import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Knows which records have been processed before. */
@FunctionalInterface
public interface Intake {
    /**
     * Takes in the record at this position. For the stream thread of its task alone, in the order of offsets.
     *
     * @return false if it was processed before, and what came of it is committed: nothing may come of it again
     */
    boolean take(RecordMetadata position);
}
