package io.tollgate;

import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TransactionAbortableException;

/** Tells failures that are over as soon as brokers answer again. */
final class Unanswered {
    private Unanswered() {}

    /** Returns whether somewhere among the causes is one that Kafka's clients would have tried again, had they had the time. */
    static boolean isIn(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof RetriableException
                    || cause instanceof TransactionAbortableException
                    || cause instanceof TimeoutException
                    || isUnknownName(cause)) return true;
        }
        return false;
    }

    /** A new client asks the names of the brokers again, and they may be gone for a while. */
    static boolean isUnknownName(Throwable cause) {
        return cause instanceof ConfigException
                && String.valueOf(cause.getMessage()).contains("No resolvable bootstrap");
    }
}
