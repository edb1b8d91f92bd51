package io.tollgate.verify;

/**
 * What the checker must know besides the records.
 *
 * @param fromMillis requests with a timestamp before this one need not be decided within what was read
 * @param toMillis nor those with a later timestamp than this one: that of their decision is another, and may be before the cut
 * @param exclusive no other program spends, and Redis loses nothing
 */
record CheckerSettings(VerifySettings topics, long fromMillis, long toMillis, boolean exclusive) {
    /** Returns the settings where everything that the topics hold was read. */
    static CheckerSettings ofAll(VerifySettings topics, boolean exclusive) {
        return new CheckerSettings(topics, Long.MIN_VALUE, Long.MAX_VALUE, exclusive);
    }

    /** Returns where the record stands: topic, partition and offset. */
    String at(OutputRecord decided) {
        return at(decided.outcome(), decided.partition(), decided.offset());
    }

    /** Returns where the record with this offset stands: topic, partition and offset. */
    String at(OutputTopic outcome, int partition, long offset) {
        return topics.topic(outcome) + "/" + partition + "/" + offset;
    }

    /** Returns where this row's record stands. */
    String at(Decisions decisions, int row) {
        return at(decisions.outcome(row), decisions.outputPartition(row), decisions.outputOffset(row));
    }

    /** Whether a hold is of an installation with another topic of requests: the topics of holds are the same for all. */
    boolean isOfOthers(String hold) {
        var source = DecisionHeaders.source(hold);
        return source != null && !source.topic().equals(topics.requestsTopic());
    }

    /** Returns whether older records than those that were read may be there. */
    boolean isCut() {
        return fromMillis != Long.MIN_VALUE;
    }

    /** Returns whether a request with this timestamp must be decided within what was read. */
    boolean isDue(long timestampMillis) {
        return timestampMillis >= fromMillis && timestampMillis <= toMillis;
    }
}
