package io.tollgate.mirror;

import io.tollgate.redis.BucketKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.AbstractStoreBuilder;
import org.apache.kafka.streams.state.internals.WrappedStateStore;
import org.jspecify.annotations.Nullable;

/**
 * The state store of the agents' buckets, in RocksDB and changelogged. It lets the mirror write to it before
 * each commit.
 *
 * <p>Streams' record cache would do the same for any store, but the mirror is a cache already: a second one, sorted,
 * took four tenths of the stream threads' time with a million agents, and more heap than the agents. Only Streams' own
 * caches are told of a commit, by an interface that is not public.
 */
public final class BucketStore extends WrappedStateStore<KeyValueStore<String, byte[]>, String, byte[]> {
    /** Streams finds the instance of an agent by this name. */
    public static final String NAME = "local-buckets";

    /** No agent's id holds a control character. */
    private static final String SHADOW = "\u0000shadow";

    private static final int MAX_SWEPT = 250;

    private static final Runnable NOTHING = () -> {};

    private @Nullable String sweepFrom;
    private Runnable beforeCommit = NOTHING;
    private @Nullable TaskOffsets offsets;

    private BucketStore(KeyValueStore<String, byte[]> stored) {
        super(stored);
    }

    /** Returns the store over another one. */
    public static BucketStore over(KeyValueStore<String, byte[]> stored) {
        return new BucketStore(stored);
    }

    /**
     * Connects the store to its task.
     *
     * @param write writes to the store before each commit of the task
     * @param ofTask knows which of the task's records were processed before
     */
    public void serve(Runnable write, TaskOffsets ofTask) {
        beforeCommit = write;
        offsets = ofTask;
    }

    public void serveNoMore() {
        beforeCommit = NOTHING;
        offsets = null;
    }

    /**
     * Takes a record of the store's task, not of a task that took its partition over while both live.
     *
     * @return false if it was processed before with a committed result: it must be left out
     */
    public boolean take(RecordMetadata position) {
        return Objects.requireNonNull(offsets).take(position);
    }

    private static String key(String agentId, BucketKind kind) {
        return kind == BucketKind.SHADOW ? agentId + SHADOW : agentId;
    }

    /** Returns the copy written last; null if there is none, which means full buckets. */
    public @Nullable BucketCopy read(String agentId, BucketKind kind) {
        byte[] encoded = wrapped().get(key(agentId, kind));
        return encoded == null ? null : BucketCopy.decode(encoded);
    }

    /** Returns a copy as it is written. */
    public static KeyValue<String, byte[]> entry(String agentId, BucketKind kind, BucketCopy copy) {
        return KeyValue.pair(key(agentId, kind), copy.encode());
    }

    /** Writes copies, to be committed with the task's present work: together, which RocksDB does in less time. */
    public void write(List<KeyValue<String, byte[]>> copies) {
        wrapped().putAll(copies);
    }

    /** Tells which copies are no longer needed. */
    @FunctionalInterface
    public interface Sweep {
        /** @param stored the copy written last; decoded only on demand */
        boolean isNeedless(String agentId, BucketKind kind, Supplier<BucketCopy> stored);
    }

    /** Deletes copies that are no longer needed; looks at a bounded number, and continues there next time. */
    public void sweep(Sweep sweep) {
        var needless = new ArrayList<String>();
        int seen = 0;
        try (var stored = sweepFrom == null ? wrapped().all() : wrapped().range(sweepFrom, null)) {
            sweepFrom = null;
            while (stored.hasNext()) {
                if (seen++ == MAX_SWEPT) {
                    sweepFrom = stored.peekNextKey();
                    break;
                }
                var entry = stored.next();
                var key = entry.key;
                if (key.startsWith(ProcessedOffsets.KEYS)) continue;
                boolean shadow = key.endsWith(SHADOW);
                var agentId = shadow ? key.substring(0, key.length() - SHADOW.length()) : key;
                var kind = shadow ? BucketKind.SHADOW : BucketKind.ENFORCED;
                if (sweep.isNeedless(agentId, kind, () -> BucketCopy.decode(entry.value))) needless.add(key);
            }
        }
        needless.forEach(wrapped()::delete);
    }

    @Override
    public void flushCache() {
        beforeCommit.run();
    }

    /**
     * Builds the store of each task: without a cache, and always logged, since a lost mirror would give tokens away.
     */
    public static final class TaskStoreBuilder extends AbstractStoreBuilder<String, byte[], BucketStore> {
        public TaskStoreBuilder() {
            super(NAME, Serdes.String(), Serdes.ByteArray(), Time.SYSTEM);
        }

        @Override
        public BucketStore build() {
            return over(Stores.keyValueStoreBuilder(
                            Stores.persistentKeyValueStore(NAME), Serdes.String(), Serdes.ByteArray())
                    .withCachingDisabled()
                    .withLoggingEnabled(logConfig)
                    .build());
        }
    }
}
