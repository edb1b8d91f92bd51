package io.tollgate.kafka;

import java.time.Duration;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.internals.InternalProcessorContext;
import org.apache.kafka.streams.processor.internals.ProcessorNode;
import org.jspecify.annotations.Nullable;

/**
 * Schedules the punctuations of one operator at any time, not only while it works: Streams refuses that before a poll, because it takes
 * the operator that works now for the one to be punctuated, by an interface that is not public. For the task's stream thread alone.
 */
public final class NodeScheduler {
    private final ProcessorContext<?, ?> context;
    private final @Nullable ProcessorNode<?, ?, ?, ?> node;

    /** @param context of the operator, which is being initialized */
    public NodeScheduler(ProcessorContext<?, ?> context) {
        this.context = context;
        this.node = context instanceof InternalProcessorContext<?, ?> streams ? streams.currentNode() : null;
    }

    /** Punctuates the operator by the wall clock from now on. */
    public Cancellable every(Duration interval, Punctuator punctuator) {
        if (node == null || !(context instanceof InternalProcessorContext<?, ?> streams)) {
            return context.schedule(interval, PunctuationType.WALL_CLOCK_TIME, punctuator);
        }
        var working = streams.currentNode();
        streams.setCurrentNode(node);
        try {
            return context.schedule(interval, PunctuationType.WALL_CLOCK_TIME, punctuator);
        } finally {
            streams.setCurrentNode(working);
        }
    }
}
