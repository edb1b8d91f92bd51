package io.tollgate.kafka;

import org.apache.kafka.streams.errors.TaskMigratedException;

/** A topic was deleted and created again: Streams gives up the thread's tasks, with what they hold of the old one, and starts them afresh. */
public final class TopicMadeAnewException extends TaskMigratedException {
    private static final long serialVersionUID = 1;

    public TopicMadeAnewException(String topic) {
        super("topic " + topic + " was deleted and created again: its offsets begin anew");
    }
}
