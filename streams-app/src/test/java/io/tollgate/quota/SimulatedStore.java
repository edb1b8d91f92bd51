package io.tollgate.quota;

import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** A task's store in memory, which knows what was written since the last commit. */
final class SimulatedStore implements KeyValueStore<String, byte[]> {
    private final TreeMap<String, byte[]> entries;
    private final Map<String, byte[]> written = new HashMap<>();
    private final String name;

    /** @param changelog what the store is restored from */
    SimulatedStore(String name, Map<String, byte[]> changelog) {
        this.name = name;
        entries = new TreeMap<>(changelog);
    }

    /** Returns and forgets what was written, null for what was deleted. */
    Map<String, byte[]> takeWritten() {
        var taken = new HashMap<>(written);
        written.clear();
        return taken;
    }

    @Override
    public void put(String key, byte[] value) {
        if (value == null) entries.remove(key);
        else entries.put(key, value);
        written.put(key, value);
    }

    @Override
    public byte[] putIfAbsent(String key, byte[] value) {
        var before = entries.get(key);
        if (before == null) put(key, value);
        return before;
    }

    @Override
    public void putAll(List<KeyValue<String, byte[]>> all) {
        for (var entry : all) put(entry.key, entry.value);
    }

    @Override
    public byte[] delete(String key) {
        var before = entries.get(key);
        put(key, null);
        return before;
    }

    @Override
    public byte[] get(String key) {
        return entries.get(key);
    }

    @Override
    public KeyValueIterator<String, byte[]> range(String from, String to) {
        var part = from == null ? entries : entries.tailMap(from, true);
        return iterator(to == null ? part : part.headMap(to, true));
    }

    @Override
    public KeyValueIterator<String, byte[]> all() {
        return iterator(entries);
    }

    private static KeyValueIterator<String, byte[]> iterator(Map<String, byte[]> part) {
        var all = new TreeMap<>(part);
        Iterator<Map.Entry<String, byte[]>> each = all.entrySet().iterator();
        return new KeyValueIterator<>() {
            private Map.Entry<String, byte[]> peeked;

            @Override
            public void close() {
                // Holds nothing.
            }

            @Override
            public String peekNextKey() {
                if (peeked == null) peeked = each.next();
                return peeked.getKey();
            }

            @Override
            public boolean hasNext() {
                return peeked != null || each.hasNext();
            }

            @Override
            public KeyValue<String, byte[]> next() {
                var next = peeked != null ? peeked : each.next();
                peeked = null;
                return KeyValue.pair(next.getKey(), next.getValue());
            }
        };
    }

    @Override
    public long approximateNumEntries() {
        return entries.size();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void init(StateStoreContext context, StateStore root) {
        // Ready as it is.
    }

    @Override
    public void close() {
        // Holds nothing.
    }

    @Override
    public boolean persistent() {
        return false;
    }

    @Override
    public boolean isOpen() {
        return true;
    }
}
