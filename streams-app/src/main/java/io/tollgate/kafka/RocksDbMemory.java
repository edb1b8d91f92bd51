package io.tollgate.kafka;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.WriteBufferManager;

/**
 * One block cache and one write buffer budget for all stores of the process. Otherwise RocksDB's memory would grow with
 * the number of tasks.
 */
public final class RocksDbMemory implements RocksDBConfigSetter {
    private static final long CACHE_BYTES = 64L * 1024 * 1024;
    private static final long WRITE_BUFFERS_BYTES = 32L * 1024 * 1024;
    private static final int BLOOM_BITS_PER_KEY = 10;
    /**
     * The step in which a memtable takes memory from the budget. With RocksDB's default of 1 MB, 32 tasks would use up
     * the budget, and with more tasks each write would flush its store.
     */
    private static final long ARENA_BLOCK_BYTES = 16L * 1024;

    /** Created on first use, because the native library must be loaded first. Lives as long as the process. */
    private static final class SharedMemory {
        static final Cache CACHE;
        static final WriteBufferManager WRITE_BUFFERS;

        static {
            RocksDB.loadLibrary();
            CACHE = new LRUCache(CACHE_BYTES);
            WRITE_BUFFERS = new WriteBufferManager(WRITE_BUFFERS_BYTES, CACHE);
        }
    }

    @Override
    public void setConfig(String storeName, Options options, Map<String, Object> configs) {
        var table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(SharedMemory.CACHE);
        table.setCacheIndexAndFilterBlocks(true);
        // Most agents missing in memory are missing in the store too: the filter answers without a read.
        table.setFilterPolicy(new BloomFilter(BLOOM_BITS_PER_KEY));
        options.setWriteBufferManager(SharedMemory.WRITE_BUFFERS);
        options.setArenaBlockSize(ARENA_BLOCK_BYTES);
    }

    @Override
    public void close(String storeName, Options options) {
        // The shared memory stays for the other stores.
    }
}
