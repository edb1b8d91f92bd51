package io.tollgate.kafka;

import org.apache.kafka.streams.errors.TaskMigratedException;

/**
 * A topic was deleted and created again. Streams drops the thread's tasks with their state of the old topic, and starts
 * them afresh.
 */
public final class TopicMadeAnewException extends TaskMigratedException {
    private static final long serialVersionUID = 1;

    public TopicMadeAnewException(String topic) {
        super("topic " + topic + " was deleted and created again: its offsets begin anew");
    }
}
