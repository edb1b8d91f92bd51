package io.tollgate.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;

/** Stores of one process share a budget; real RocksDB. */
class RocksDbMemoryTest {
    private static final int STORES = 128;
    private static final int ENTRIES = 20;

    @TempDir
    private Path dir;

    @Test
    void budgetHoldsManyStoresUnflushed() throws RocksDBException {
        var stores = new ArrayList<RocksDB>();
        try (var options = new Options().setCreateIfMissing(true).setTableFormatConfig(new BlockBasedTableConfig())) {
            new RocksDbMemory().setConfig("local-buckets", options, Map.of());
            for (int n = 0; n < STORES; n++)
                stores.add(RocksDB.open(options, dir.resolve("store-" + n).toString()));
            for (int n = 0; n < ENTRIES; n++) {
                for (var store : stores) store.put(("agent-" + n).getBytes(UTF_8), new byte[100]);
            }
            assertThat(stores)
                    .as("entries that were not flushed yet")
                    .allSatisfy(store -> assertThat(store.getLongProperty("rocksdb.num-entries-active-mem-table"))
                            .isEqualTo(ENTRIES));
        } finally {
            stores.forEach(RocksDB::close);
        }
    }
}
