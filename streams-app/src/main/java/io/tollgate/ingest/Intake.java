package io.tollgate.ingest;

import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Knows which of a task's records have been processed before. */
@FunctionalInterface
public interface Intake {
    /** Finds the intake of the task that a processor belongs to. */
    @FunctionalInterface
    interface OfTask {
        /** Called when the processor is initialized; what it returns is used when all of the task's processors are. */
        Intake in(ProcessorContext<?, ?> context);
    }

    /**
     * Takes in the record at this position. For the stream thread of its task alone, in the order of offsets.
     *
     * @return false if it was processed before, and what came of it is committed: nothing may come of it again
     */
    boolean take(RecordMetadata position);
}
