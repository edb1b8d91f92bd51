package io.tollgate.mirror;

import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.state.Stores;

/** What a crash leaves of a mirror that was never written. */
public final class EmptyStore {
    private EmptyStore() {}

    public static BucketStore in(Path dir) {
        var properties = new Properties();
        properties.put("application.id", "test");
        properties.put("bootstrap.servers", "none:1");
        var context = new MockProcessorContext<>(properties, new TaskId(0, 0), dir.toFile());
        var store = Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(BucketStore.NAME), Serdes.String(), Serdes.ByteArray())
                .withLoggingDisabled()
                .build();
        store.init(context.getStateStoreContext(), store);
        return BucketStore.over(store);
    }
}
