package io.tollgate.mirror;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.jspecify.annotations.Nullable;

/**
 * How far a task has come in one partition. For one stream thread alone.
 *
 * <p>Under exactly-once it is kept in the mirror's store, and so committed with what came of the records. The group's committed
 * offsets say the same, but they can go back: brokers lose them, forget them, and let people reset them. What is behind is then
 * read again, and must not be decided again.
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
    /** The first offset that was not taken in. */
    private long next;
    /** The highest leader epoch that was polled. What is written after a log has lost its end has a higher one. */
    private int epoch = NO_EPOCH;

    private boolean isStored = true;

    private ProcessedOffsets(@Nullable KeyValueStore<String, byte[]> store, String topic, long source) {
        this.store = store;
        this.key = KEYS + topic;
        this.source = source;
    }

    /** Returns where the task stands that processes again what was not committed: nothing is known of what was. */
    static ProcessedOffsets atLeastOnce() {
        return new ProcessedOffsets(null, "", 0);
    }

    /** Returns what the store holds; nothing, if it is of a topic of this name that was deleted. */
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

    /** Notes what was polled, before any of it is processed: records that were written over others are new. */
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

    /** Returns whether something must come of the record at this offset. */
    boolean isNew(long offset) {
        return store == null || offset >= next;
    }

    /** Takes the record in, if it is new; returns whether it is. */
    boolean take(long offset) {
        if (!isNew(offset)) return false;
        next = offset + 1;
        isStored = false;
        return true;
    }

    /** Returns the last offset that was taken in; -1 if none was. */
    long takenThrough() {
        return next - 1;
    }

    /** Writes it to the store, to be committed with what came of the records. */
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
