package io.tollgate;

import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TransactionAbortableException;

/** Tells failures that are over as soon as brokers answer again. */
final class Unanswered {
    private Unanswered() {}

    /** Returns whether somewhere among the causes is one that Kafka's clients would have tried again, had they had the time. */
    static boolean isIn(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof RetriableException || cause instanceof TransactionAbortableException) return true;
        }
        return false;
    }
}
