package io.tollgate.verify;

/**
 * The settings of the checker.
 *
 * @param fromMillis requests with an earlier timestamp need no decision among the records read
 * @param toMillis requests with a later timestamp need none either: their decision has another timestamp, which may be
 *     before the cut
 * @param exclusive whether no other program spends, and Redis loses nothing
 */
record CheckerSettings(VerifySettings topics, long fromMillis, long toMillis, boolean exclusive) {
    /** Returns the settings for topics that were read completely. */
    static CheckerSettings ofAll(VerifySettings topics, boolean exclusive) {
        return new CheckerSettings(topics, Long.MIN_VALUE, Long.MAX_VALUE, exclusive);
    }

    /** Returns the position of the record: topic, partition and offset. */
    String at(OutputRecord decided) {
        return at(decided.outcome(), decided.partition(), decided.offset());
    }

    /** Returns the position of the record with this offset: topic, partition and offset. */
    String at(OutputTopic outcome, int partition, long offset) {
        return topics.topic(outcome) + "/" + partition + "/" + offset;
    }

    /** Returns the position of this row's record. */
    String at(Decisions decisions, int row) {
        return at(decisions.outcome(row), decisions.outputPartition(row), decisions.outputOffset(row));
    }

    /**
     * Returns whether a hold belongs to an installation with another requests topic: all installations share the topics
     * of holds.
     */
    boolean isOfOthers(String hold) {
        var source = DecisionHeaders.source(hold);
        return source != null && !source.topic().equals(topics.requestsTopic());
    }

    /** Returns whether there may be older records than those read. */
    boolean isCut() {
        return fromMillis != Long.MIN_VALUE;
    }

    /** Returns whether a request with this timestamp needs a decision among the records read. */
    boolean isDue(long timestampMillis) {
        return timestampMillis >= fromMillis && timestampMillis <= toMillis;
    }
}
