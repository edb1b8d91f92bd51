package io.tollgate.kafka;

/** Names the places that offsets belong to, so that the fence never takes one topic's offset for another's. Thread-safe. */
@FunctionalInterface
public interface SourceIds {
    /** Returns a number that no other partition of any topic of any cluster is likely to have; never 0. */
    long idOf(String topic, int partition);

    /** As {@link #idOf}, after the cluster was asked once more: the topic may have been made anew since. */
    default long askedAgain(String topic, int partition) {
        return idOf(topic, partition);
    }
}
