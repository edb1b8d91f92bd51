package io.tollgate.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TransactionAbortableException;
import org.apache.kafka.streams.errors.StreamsException;
import org.junit.jupiter.api.Test;

class KafkaErrorsTest {
    /** As a thread ended that had to write while the only broker was away for 70 s. */
    @Test
    void writeWithoutABrokerIsUnanswered() {
        var late = new TimeoutException("Topic local-buckets-changelog not present in metadata after 60000 ms.");
        var aborted =
                new TransactionAbortableException("Transaction Request was aborted after exhausting retries.", late);
        var thrown = new StreamsException("cannot send", new KafkaException("we are in an error state", aborted));

        assertThat(KafkaErrors.isTransient(thrown)).isTrue();
    }

    @Test
    void refusedWriteIsAnswered() {
        var thrown = new StreamsException("cannot send", new RecordTooLargeException("too large"));

        assertThat(KafkaErrors.isTransient(thrown)).isFalse();
    }
}
