package io.tollgate.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.streams.processor.api.Record;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RequestTimestampTest {
    private static final long NOW = 1_790_000_000_000L;

    /** Among them the one that records without a timestamp have; Streams would drop those with a negative one. */
    @ParameterizedTest
    @ValueSource(
            longs = {
                Long.MIN_VALUE,
                -1,
                0,
                NOW / 1000,
                NOW - 172_800_001,
                NOW + 172_800_001,
                NOW * 1000,
                253_402_300_799_999L,
                Long.MAX_VALUE
            })
    void farTimestampIsReplacedAndNoted(long given) {
        var record = record(given);

        assertThat(new RequestTimestamp(() -> NOW).extract(record, 7)).isEqualTo(NOW);
        assertThat(OriginalTimestamp.of(new Record<>(null, null, NOW, record.headers())))
                .isEqualTo(Math.max(0, given));
    }

    @ParameterizedTest
    @ValueSource(longs = {NOW - 172_800_000, NOW - 3_600_000, NOW, NOW + 1, NOW + 172_800_000})
    void plausibleTimestampStays(long given) {
        var record = record(given);

        assertThat(new RequestTimestamp(() -> NOW).extract(record, 7)).isEqualTo(given);
        assertThat(record.headers()).isEmpty();
    }

    private static ConsumerRecord<Object, Object> record(long timestamp) {
        return new ConsumerRecord<>(
                "agent-requests",
                0,
                0,
                timestamp,
                TimestampType.CREATE_TIME,
                0,
                0,
                null,
                null,
                new RecordHeaders(),
                Optional.empty());
    }
}
