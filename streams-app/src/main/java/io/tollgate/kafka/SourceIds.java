package io.tollgate.kafka;

/** Names the partitions that offsets belong to, so that the fence never confuses offsets of two topics. Thread-safe. */
@FunctionalInterface
public interface SourceIds {
    /** Returns a number that no other partition of any topic of any cluster is likely to have; never 0. */
    long idOf(String topic, int partition);

    /** As {@link #idOf}, but asks the cluster again: the topic may have been created anew since. */
    default long askedAgain(String topic, int partition) {
        return idOf(topic, partition);
    }
}
