package io.tollgate.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestTimestampTest {
    /** Streams drops a record with a negative timestamp, which would be a request without a decision. */
    @ParameterizedTest
    @CsvSource({
        "-1, 0",
        "-9223372036854775808, 0",
        "0, 0",
        "1, 1",
        "253402300799999, 253402300799999",
        "9223372036854775807, 9223372036854775807"
    })
    void givenAnyTimestamp_whenExtracted_thenItIsLegalAndTheAgentsOwnWherePossible(long published, long extracted) {
        var record = new ConsumerRecord<Object, Object>(
                "agent-requests",
                0,
                0,
                published,
                TimestampType.CREATE_TIME,
                0,
                0,
                null,
                null,
                new RecordHeaders(),
                Optional.empty());

        assertThat(new RequestTimestamp().extract(record, 7)).isEqualTo(extracted);
    }
}
