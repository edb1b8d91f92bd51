package io.tollgate.kafka;

import org.apache.kafka.streams.errors.TaskMigratedException;

/** A topic the pipeline reads does not exist. Streams drops the thread's tasks, and the thread rejoins its group. */
public final class TopicMissingException extends TaskMigratedException {
    private static final long serialVersionUID = 1;

    TopicMissingException() {
        super("a topic does not exist");
    }
}
