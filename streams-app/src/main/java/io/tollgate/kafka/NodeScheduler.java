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
 * Schedules punctuations of one operator at any time. Streams allows it only while the operator processes a record,
 * because it punctuates the current operator. This class sets the current operator, through an interface that is not
 * public. For the task's stream thread only.
 */
public final class NodeScheduler {
    private final ProcessorContext<?, ?> context;
    private final @Nullable ProcessorNode<?, ?, ?, ?> node;

    /** @param context the context of the operator that is being initialized */
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
