package io.tollgate.preflight;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SizeLimitsTest {
    private static final int[] TOPIC_BYTES = {20_000, SizeLimits.DEFAULT_TOPIC_BYTES, 24_000_000};

    @ParameterizedTest
    @EnumSource(CompressionType.class)
    void compressedNoiseFits(CompressionType type) {
        for (int topicBytes : TOPIC_BYTES) {
            var noise = new byte[(int) SizeLimits.fitting(topicBytes)];
            new Random(7).nextBytes(noise);

            var batch = MemoryRecords.withRecords(Compression.of(type).build(), new SimpleRecord(noise));

            assertThat(batch.sizeInBytes()).isLessThan(topicBytes);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {20_000, SizeLimits.DEFAULT_TOPIC_BYTES, 24_000_000})
    void roomForHeadersIsEnough(int requestBytes) {
        assertThat(SizeLimits.fitting(requestBytes + Preflight.ROOM_FOR_HEADERS_BYTES))
                .isGreaterThanOrEqualTo(requestBytes);
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 20_000, SizeLimits.DEFAULT_TOPIC_BYTES, 24_000_000})
    void neededSizeIsEnough(int recordBytes) {
        assertThat(SizeLimits.fitting(SizeLimits.needed(recordBytes))).isGreaterThanOrEqualTo(recordBytes);
        assertThat(SizeLimits.fitting(SizeLimits.needed(recordBytes) - 10)).isLessThan(recordBytes);
    }

    @Test
    void topicSmallerThanTheRoomFitsNothing() {
        assertThat(SizeLimits.fitting(1_000)).isZero();
    }
}
