package io.tollgate.mirror;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.streams.state.KeyValueStore;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessedOffsetsTest {
    private static final String TOPIC = "requests";
    private static final long SOURCE = 17;

    @TempDir
    private Path dir;

    private KeyValueStore<String, byte[]> store;

    @BeforeEach
    void open() {
        store = EmptyStore.in(dir).wrapped();
    }

    @Test
    void everyRecordIsTakenOnce() {
        var progress = progress();

        assertThat(progress.takenThrough()).isEqualTo(-1);
        assertThat(progress.take(5)).isTrue();
        assertThat(progress.take(6)).isTrue();
        assertThat(progress.take(5)).isFalse();
        assertThat(progress.take(6)).isFalse();
        assertThat(progress.take(9)).isTrue();
        assertThat(progress.takenThrough()).isEqualTo(9);
    }

    @Test
    void committedTaskGoesOnThere() {
        var before = progress();
        before.take(41);
        before.beforeCommit();

        var after = progress();

        assertThat(after.isNew(41)).isFalse();
        assertThat(after.isNew(42)).isTrue();
    }

    @Test
    void uncommittedRecordsComeAgain() {
        var before = progress();
        before.take(41);
        before.beforeCommit();
        before.take(42);

        assertThat(progress().isNew(42)).isTrue();
    }

    @Test
    void skippedRecordsWriteNothing() {
        var before = progress();
        before.take(41);
        before.beforeCommit();
        var after = progress();
        after.take(12);
        store.delete(ProcessedOffsets.KEYS + TOPIC);
        after.beforeCommit();

        assertThat(store.get(ProcessedOffsets.KEYS + TOPIC)).isNull();
    }

    @Test
    void recreatedTopicBeginsAnew() {
        var before = progress();
        before.take(41);
        before.beforeCommit();

        assertThat(ProcessedOffsets.exactlyOnce(store, TOPIC, SOURCE + 1).isNew(0))
                .isTrue();
        assertThat(ProcessedOffsets.exactlyOnce(store, "rekeyed", SOURCE).isNew(0))
                .isTrue();
    }

    /** A log that has lost its end gives its offsets again to other records, under a leader of a later epoch. */
    @Test
    void overwrittenOffsetsAreNew() {
        var before = progress();
        before.polled(records(30, 41, 5));
        before.take(41);
        before.beforeCommit();
        var after = progress();
        var polled = new ArrayList<>(records(30, 36, 5));
        polled.addAll(records(37, 50, 7));
        after.polled(polled);

        assertThat(after.take(36)).isFalse();
        assertThat(after.take(37)).isTrue();
        assertThat(after.take(41)).isTrue();
        assertThat(after.takenThrough()).isEqualTo(41);
    }

    @Test
    void laterLeaderMakesNoNewRecords() {
        var before = progress();
        before.polled(records(0, 20, 5));
        before.polled(records(21, 41, 9));
        before.take(41);
        before.beforeCommit();
        var after = progress();
        after.polled(records(0, 20, 5));
        after.polled(records(21, 45, 9));

        assertThat(after.isNew(0)).isFalse();
        assertThat(after.isNew(41)).isFalse();
        assertThat(after.isNew(42)).isTrue();
    }

    @Test
    void atLeastOnceTakesThemAgain() {
        var progress = ProcessedOffsets.atLeastOnce();
        progress.take(41);
        progress.beforeCommit();

        assertThat(progress.take(12)).isTrue();
        assertThat(progress.takenThrough()).isEqualTo(12);
        assertThat(store.get(ProcessedOffsets.KEYS + TOPIC)).isNull();
    }

    @Test
    void laterVersionEndsTheTask() {
        store.put(ProcessedOffsets.KEYS + TOPIC, new byte[] {2});

        assertThatThrownBy(this::progress)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("local-buckets holds progress of version 2, this is version 1");
    }

    private ProcessedOffsets progress() {
        return ProcessedOffsets.exactlyOnce(store, TOPIC, SOURCE);
    }

    private static List<ConsumerRecord<byte[], byte[]>> records(long from, long to, int epoch) {
        var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        for (long offset = from; offset <= to; offset++) {
            records.add(new ConsumerRecord<>(
                    TOPIC,
                    0,
                    offset,
                    0,
                    TimestampType.CREATE_TIME,
                    0,
                    0,
                    null,
                    null,
                    new RecordHeaders(),
                    Optional.of(epoch)));
        }
        return records;
    }
}
