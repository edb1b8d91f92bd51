package io.tollgate.kafka;

import org.apache.kafka.streams.errors.TaskMigratedException;

/** A topic that the pipeline reads does not exist: Streams gives up the thread's tasks, and has it join its group anew. */
public final class TopicMissingException extends TaskMigratedException {
    private static final long serialVersionUID = 1;

    TopicMissingException() {
        super("a topic does not exist");
    }
}
