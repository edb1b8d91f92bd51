package io.tollgate.sandbox;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SampleAgentsTest {
    /** The values that librdkafka's own test of its partitioner expects (0048-partitioner.c), which has 17 partitions. */
    @ParameterizedTest
    @CsvSource({"this is another string with more length to it perhaps, b0150df7", "hejsan, d077037e"})
    void partitionIsCrc32AsInLibrdkafka(String key, String crcHex) {
        long crc = Long.parseLong(crcHex, 16);

        assertThat(SampleAgents.crc32Partition(key.getBytes(UTF_8), 17)).isEqualTo((int) (crc % 17));
    }

    @Test
    void partitionIsNeverNegative() {
        assertThat(SampleAgents.crc32Partition("hejsan".getBytes(UTF_8), 8)).isEqualTo(6);
    }

    @Test
    void skewFollowsTheHarmonicSeries_seed1() {
        var zipf = new Zipf(4, 1);
        var random = new SplittableRandom(1);
        var counts = new double[4];
        int draws = 100_000;

        for (int i = 0; i < draws; i++) counts[zipf.rank(random.nextDouble())]++;

        double sum = 1 + 1 / 2d + 1 / 3d + 1 / 4d;
        for (int rank = 0; rank < 4; rank++) {
            assertThat(counts[rank] / draws).isCloseTo(1 / (rank + 1d) / sum, within(0.01));
        }
    }

    @Test
    void edgesAreFirstAndLastRank() {
        var zipf = new Zipf(3, 0);

        assertThat(zipf.rank(0)).isZero();
        assertThat(zipf.rank(Math.nextDown(1.0))).isEqualTo(2);
    }
}
