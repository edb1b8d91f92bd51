package io.tollgate.mirror;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.jspecify.annotations.Nullable;

/**
 * A task's progress in one partition. For one stream thread alone.
 *
 * <p>Under exactly-once the mirror's store keeps it, so it is committed with the records' results. The group's
 * committed offsets say the same, but they can go back: brokers lose them, forget them, and let operators reset them.
 * Then earlier records are read again, and must not be decided again.
 */
final class ProcessedOffsets {
    /** No agent's id begins with a control character. */
    static final String KEYS = "\u0000progress/";

    private static final byte VERSION = 1;
    private static final int BYTES = 1 + Long.BYTES + Long.BYTES + Integer.BYTES;
    private static final int NO_EPOCH = -1;

    private final @Nullable KeyValueStore<String, byte[]> store;
    private final String key;
    private final long source;
    /** The first offset not taken yet. */
    private long next;
    /** The highest polled leader epoch. Records written after a log has lost its end have a higher one. */
    private int epoch = NO_EPOCH;

    private boolean isStored = true;

    private ProcessedOffsets(@Nullable KeyValueStore<String, byte[]> store, String topic, long source) {
        this.store = store;
        this.key = KEYS + topic;
        this.source = source;
    }

    /** Returns the progress of a task that processes uncommitted records again, and knows nothing of committed ones. */
    static ProcessedOffsets atLeastOnce() {
        return new ProcessedOffsets(null, "", 0);
    }

    /** Returns the stored progress; none, if it belongs to a deleted topic of this name. */
    static ProcessedOffsets exactlyOnce(KeyValueStore<String, byte[]> store, String topic, long source) {
        var progress = new ProcessedOffsets(store, topic, source);
        var stored = store.get(progress.key);
        if (stored == null) return progress;
        var buffer = ByteBuffer.wrap(stored);
        byte version = buffer.get();
        if (version != VERSION) {
            throw new IllegalStateException(
                    "local-buckets holds progress of version " + version + ", this is version " + VERSION);
        }
        if (buffer.getLong() != source) return progress;
        progress.next = buffer.getLong();
        progress.epoch = buffer.getInt();
        return progress;
    }

    /** Notes polled records before any of them is processed: records written over others are new. */
    void polled(List<? extends ConsumerRecord<?, ?>> records) {
        if (records.get(0).offset() < next) {
            for (var record : records) {
                if (record.offset() >= next) break;
                if (epochOf(record) > epoch) next = record.offset();
            }
        }
        epoch = Math.max(epoch, epochOf(records.get(records.size() - 1)));
    }

    private static int epochOf(ConsumerRecord<?, ?> record) {
        return record.leaderEpoch().orElse(NO_EPOCH);
    }

    /** Returns whether the record at this offset must be processed. */
    boolean isNew(long offset) {
        return store == null || offset >= next;
    }

    /** Takes the record if it is new; returns whether it is. */
    boolean take(long offset) {
        if (!isNew(offset)) return false;
        next = offset + 1;
        isStored = false;
        return true;
    }

    /** Returns the last offset taken; -1 if there is none. */
    long takenThrough() {
        return next - 1;
    }

    /** Writes the progress to the store, to be committed with the records' results. */
    void beforeCommit() {
        if (store == null || isStored) return;
        var value = ByteBuffer.allocate(BYTES)
                .put(VERSION)
                .putLong(source)
                .putLong(next)
                .putInt(epoch);
        store.put(key, value.array());
        isStored = true;
    }
}
