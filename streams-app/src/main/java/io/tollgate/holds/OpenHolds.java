package io.tollgate.holds;

import io.tollgate.redis.BucketKind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.jspecify.annotations.Nullable;

/**
 * The open holds of one task's agents, in RocksDB and changelogged: what is opened and ended is committed with the records that say so. In
 * memory are only deadlines, and how many holds each agent has open, some 200 bytes for each hold. For one stream thread alone.
 */
public final class OpenHolds {
    public static final String STORE = "open-holds";

    /** Stands after the agent's id, which holds no control character. */
    private static final char END = '\u0000';

    /** After everything that begins with an agent's id and {@link #END}. */
    private static final char AFTER = '\u0001';

    /** When a hold ends by itself, and which. */
    public record Deadline(long micros, String agentId, String name, BucketKind kind) {
        private static Deadline of(Hold hold) {
            return new Deadline(hold.deadlineMicros(), hold.agentId(), hold.name(), hold.kind());
        }
    }

    private final KeyValueStore<String, byte[]> store;
    private final Map<String, Integer> openByAgent = new HashMap<>();
    private final TreeSet<Deadline> deadlines = new TreeSet<>(Comparator.comparingLong(Deadline::micros)
            .thenComparing(Deadline::agentId)
            .thenComparing(Deadline::name));
    /** For other threads. */
    private volatile int open;

    /** Reads what is stored. */
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

    private static Hold hold(String key, byte[] value) {
        int end = key.indexOf(END);
        return Hold.decode(key.substring(0, end), key.substring(end + 1), value);
    }

    /** Opens a hold; one that is open under this name already is replaced. */
    public void open(Hold hold) {
        var before = find(hold.agentId(), hold.name());
        if (before != null) forget(before);
        store.put(key(hold.agentId(), hold.name()), hold.encode());
        note(hold);
        open = deadlines.size();
    }

    private void note(Hold hold) {
        deadlines.add(Deadline.of(hold));
        openByAgent.merge(hold.agentId(), 1, Integer::sum);
    }

    /** Returns the agent's open hold of this name; null if there is none. */
    public @Nullable Hold find(String agentId, String name) {
        if (!openByAgent.containsKey(agentId)) return null;
        var stored = store.get(key(agentId, name));
        return stored == null ? null : Hold.decode(agentId, name, stored);
    }

    /** Ends a hold. */
    public void end(Hold hold) {
        store.delete(key(hold.agentId(), hold.name()));
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
