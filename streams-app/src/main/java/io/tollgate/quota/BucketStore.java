package io.tollgate.quota;

import io.tollgate.ingest.Intake;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.WrappedStateStore;
import org.jspecify.annotations.Nullable;

/**
 * The state store of the {@link AgentCache}, in RocksDB and changelogged, that lets the mirror write to it before each commit.
 *
 * <p>Streams' record cache would do the same for any store, but the mirror is a cache already: a second one, sorted, took four tenths of
 * the stream threads' time with a million agents, and more heap than the agents. Only Streams' own caches are told of a commit, by an
 * interface that is not public.
 */
public final class BucketStore extends WrappedStateStore<KeyValueStore<String, byte[]>, String, byte[]> {
    static final String NAME = "local-buckets";

    private static final Runnable NOTHING = () -> {};

    private Runnable beforeCommit = NOTHING;
    private @Nullable Intake intake;

    private BucketStore(KeyValueStore<String, byte[]> stored) {
        super(stored);
    }

    /** Returns the store over one that somebody else keeps. */
    static BucketStore over(KeyValueStore<String, byte[]> stored) {
        return new BucketStore(stored);
    }

    /**
     * Says who serves the task that the store belongs to.
     *
     * @param write writes to the store before each commit of the task, with which it is committed
     * @param takes knows which of the task's records were processed before
     */
    void serve(Runnable write, Intake takes) {
        beforeCommit = write;
        intake = takes;
    }

    void serveNoMore() {
        beforeCommit = NOTHING;
        intake = null;
    }

    /** Takes in a record of the task that the store belongs to; not of one that took its partition over, as long as both live. */
    boolean take(RecordMetadata position) {
        return Objects.requireNonNull(intake).take(position);
    }

    @Override
    public void flushCache() {
        beforeCommit.run();
    }

    /** Builds the store of each task. Caching cannot be had; logging cannot be turned off. */
    static final class Builder implements StoreBuilder<BucketStore> {
        private final StoreBuilder<KeyValueStore<String, byte[]>> stored = Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore(NAME), Serdes.String(), Serdes.ByteArray())
                .withCachingDisabled()
                .withLoggingEnabled(Map.of());

        @Override
        public BucketStore build() {
            return over(stored.build());
        }

        @Override
        public StoreBuilder<BucketStore> withCachingEnabled() {
            throw new UnsupportedOperationException("the mirror is the cache");
        }

        @Override
        public StoreBuilder<BucketStore> withCachingDisabled() {
            return this;
        }

        @Override
        public StoreBuilder<BucketStore> withLoggingEnabled(Map<String, String> config) {
            stored.withLoggingEnabled(config);
            return this;
        }

        @Override
        public StoreBuilder<BucketStore> withLoggingDisabled() {
            throw new UnsupportedOperationException("a lost mirror would give tokens away");
        }

        @Override
        public Map<String, String> logConfig() {
            return stored.logConfig();
        }

        @Override
        public boolean loggingEnabled() {
            return true;
        }

        @Override
        public String name() {
            return NAME;
        }
    }
}
