package io.tollgate.holds;

import io.tollgate.redis.BucketKind;
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
 * The open holds of one task's agents, in RocksDB and changelogged: their openings and ends are committed with the
 * records about them. Only deadlines and each agent's number of open holds are in memory, some 200 bytes for each hold.
 * For one stream thread alone.
 */
public final class OpenHolds {
    public static final String STORE = "open-holds";

    /** Stands after the agent's id, which holds no control character. */
    private static final char END = '\u0000';

    /** After everything that begins with an agent's id and {@link #END}. */
    private static final char AFTER = '\u0001';

    /** A deadline and its hold. */
    public record Deadline(long micros, String agentId, String name, long openedMicros, BucketKind kind) {
        private static Deadline of(Hold hold) {
            return new Deadline(hold.deadlineMicros(), hold.agentId(), hold.name(), hold.openedMicros(), hold.kind());
        }
    }

    private final KeyValueStore<String, byte[]> store;
    private final Map<String, Integer> openByAgent = new HashMap<>();
    private final TreeSet<Deadline> deadlines = new TreeSet<>(Comparator.comparingLong(Deadline::micros)
            .thenComparing(Deadline::agentId)
            .thenComparing(Deadline::name)
            .thenComparingLong(Deadline::openedMicros));
    /** For other threads. */
    private volatile int open;

    /** Reads the stored holds. */
    public OpenHolds(KeyValueStore<String, byte[]> store) {
        this.store = store;
        try (var stored = store.all()) {
            stored.forEachRemaining(entry -> note(hold(entry.key, entry.value)));
        }
        open = deadlines.size();
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
    private static String olderKey(String agentId, String name, long openedMicros) {
        return key(agentId, name) + END + openedMicros;
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
        var before = stored(key(hold.agentId(), hold.name()));
        if (before != null && before.openedMicros() == hold.openedMicros()) {
            forget(before);
        } else if (before != null) {
            store.put(olderKey(before.agentId(), before.name(), before.openedMicros()), before.encode());
        }
        store.put(key(hold.agentId(), hold.name()), hold.encode());
        note(hold);
        open = deadlines.size();
    }

    private @Nullable Hold stored(String key) {
        var value = store.get(key);
        return value == null ? null : hold(key, value);
    }

    private void note(Hold hold) {
        deadlines.add(Deadline.of(hold));
        openByAgent.merge(hold.agentId(), 1, Integer::sum);
    }

    /** Returns the agent's open hold of this name, the newest; null if there is none. */
    public @Nullable Hold find(String agentId, String name) {
        if (!openByAgent.containsKey(agentId) || name.indexOf(END) >= 0) return null;
        var newest = stored(key(agentId, name));
        if (newest != null) return newest;
        Hold older = null;
        try (var all = store.range(key(agentId, name) + END, key(agentId, name) + AFTER)) {
            while (all.hasNext()) {
                var next = all.next();
                older = hold(next.key, next.value);
            }
        }
        return older;
    }

    /** Returns the open hold with this deadline. */
    public Hold find(Deadline deadline) {
        var newest = stored(key(deadline.agentId(), deadline.name()));
        if (newest != null && newest.openedMicros() == deadline.openedMicros()) return newest;
        return Objects.requireNonNull(stored(olderKey(deadline.agentId(), deadline.name(), deadline.openedMicros())));
    }

    /** Ends a hold. */
    public void end(Hold hold) {
        var key = key(hold.agentId(), hold.name());
        var newest = stored(key);
        boolean isNewest = newest != null && newest.openedMicros() == hold.openedMicros();
        store.delete(isNewest ? key : olderKey(hold.agentId(), hold.name(), hold.openedMicros()));
        forget(hold);
        open = deadlines.size();
    }

    private void forget(Hold hold) {
        deadlines.remove(Deadline.of(hold));
        openByAgent.computeIfPresent(hold.agentId(), (agent, count) -> count == 1 ? null : count - 1);
    }

    /** Returns how many holds the agent has open. */
    public int open(String agentId) {
        return openByAgent.getOrDefault(agentId, 0);
    }

    /** Returns how many holds are open. For any thread. */
    public int open() {
        return open;
    }

    /** Returns the earliest deadline; null if no hold is open. */
    public @Nullable Deadline earliest() {
        return deadlines.isEmpty() ? null : deadlines.first();
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
