package io.tollgate.mirror;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.jspecify.annotations.Nullable;

/**
 * The open holds of one task's agents: all of them in memory, some 330 bytes each, and for a restart in RocksDB with a
 * changelog, so that openings and ends are committed with the records about them. For one stream thread alone.
 */
public final class OpenHolds {
    public static final String STORE = "open-holds";

    /** Stands after the agent's id, which holds no control character. */
    private static final char END = '\u0000';

    /** After everything that begins with an agent's id and {@link #END}. */
    private static final char AFTER = '\u0001';

    /** In the order of deadlines; offsets put those of one moment in order, without a look at their strings. */
    private record Open(String key, long deadlineMicros, long offset, Hold hold) implements Comparable<Open> {
        private static Open of(String key, Hold hold) {
            return new Open(key, hold.deadlineMicros(), hold.offset(), hold);
        }

        @Override
        public int compareTo(Open other) {
            if (deadlineMicros != other.deadlineMicros) return Long.compare(deadlineMicros, other.deadlineMicros);
            if (offset != other.offset) return Long.compare(offset, other.offset);
            return key.compareTo(other.key);
        }
    }

    private final KeyValueStore<String, byte[]> store;
    private final Map<String, Open> byKey = new HashMap<>();
    private final Map<String, Integer> openByAgent = new HashMap<>();
    private final TreeSet<Open> byDeadline = new TreeSet<>();
    /** For other threads. */
    private volatile int open;

    /** Reads the stored holds. */
    public OpenHolds(KeyValueStore<String, byte[]> store) {
        this.store = store;
        try (var stored = store.all()) {
            stored.forEachRemaining(entry -> add(entry.key, hold(entry.key, entry.value)));
        }
        open = byKey.size();
    }

    /** Returns a builder of the store. */
    public static StoreBuilder<KeyValueStore<String, byte[]>> storeBuilder() {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
                .withCachingDisabled()
                .withLoggingEnabled(Map.of());
    }

    private static String key(String agentId, String name) {
        return agentId + END + name;
    }

    /** Returns the key of a hold whose name another one has taken since. */
    private static String olderKey(Hold hold) {
        return key(hold.agentId(), hold.name()) + END + hold.openedMicros();
    }

    private static Hold hold(String key, byte[] value) {
        var parts = key.split(String.valueOf(END));
        return Hold.decode(parts[0], parts[1], value);
    }

    /**
     * Opens a hold; an open one stays open. Another hold may be open under the same name, from a topic before it was
     * recreated: that one also stays open, but is not found by its name before this one has ended.
     */
    public void open(Hold hold) {
        var key = key(hold.agentId(), hold.name());
        var before = byKey.get(key);
        if (before != null) {
            remove(before);
            if (before.hold().openedMicros() != hold.openedMicros()) put(olderKey(before.hold()), before.hold());
        }
        put(key, hold);
        open = byKey.size();
    }

    private void put(String key, Hold hold) {
        store.put(key, hold.encode());
        add(key, hold);
    }

    private void add(String key, Hold hold) {
        var open = Open.of(key, hold);
        byKey.put(key, open);
        byDeadline.add(open);
        openByAgent.merge(hold.agentId(), 1, Integer::sum);
    }

    /** Returns the agent's open hold of this name, the newest; null if there is none. */
    public @Nullable Hold find(String agentId, String name) {
        if (open(agentId) == 0 || name.indexOf(END) >= 0) return null;
        var key = key(agentId, name);
        var newest = byKey.get(key);
        if (newest != null) return newest.hold();
        Hold older = null;
        try (var all = store.range(key + END, key + AFTER)) {
            while (all.hasNext())
                older = Objects.requireNonNull(byKey.get(all.next().key)).hold();
        }
        return older;
    }

    /** Ends a hold. */
    public void end(Hold hold) {
        var ended = byKey.get(key(hold.agentId(), hold.name()));
        if (ended == null || ended.hold().openedMicros() != hold.openedMicros()) ended = byKey.get(olderKey(hold));
        Objects.requireNonNull(ended);
        store.put(ended.key(), null); // to delete it, RocksDB's store would read it first
        remove(ended);
        open = byKey.size();
    }

    private void remove(Open ended) {
        byKey.remove(ended.key());
        byDeadline.remove(ended);
        openByAgent.computeIfPresent(ended.hold().agentId(), (agent, count) -> count == 1 ? null : count - 1);
    }

    /** Returns how many holds the agent has open. */
    public int open(String agentId) {
        return openByAgent.getOrDefault(agentId, 0);
    }

    /** Returns how many holds are open. For any thread. */
    public int open() {
        return open;
    }

    /** Returns the open hold with the earliest deadline; null if no hold is open. */
    public @Nullable Hold earliest() {
        return byDeadline.isEmpty() ? null : byDeadline.first().hold();
    }

    /** Returns open holds of the agent, not more than {@code most}, the earliest deadline first. */
    public List<Hold> of(String agentId, int most) {
        var holds = new ArrayList<Hold>();
        if (open(agentId) == 0) return holds;
        try (var stored = store.range(agentId + END, agentId + AFTER)) {
            stored.forEachRemaining(entry -> holds.add(hold(entry.key, entry.value)));
        }
        holds.sort(Comparator.comparingLong(Hold::deadlineMicros).thenComparing(Hold::name));
        return List.copyOf(holds.subList(0, Math.min(most, holds.size())));
    }
}
