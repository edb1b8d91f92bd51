package io.tollgate.memoryredis;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A Redis in this process: hashes in memory, a clock of our choice, and {@code spend.lua}, as its own text or as the {@link SpendTwin}.
 * {@link MemoryRedisIT} proves it equal to a real one. Not thread-safe.
 */
public final class MemoryRedis {
    /** What runs where the script is asked for. */
    public enum Engine {
        /** The script's own text, in Lua. */
        SCRIPT,
        /** The same in Java, some fifty times faster. */
        TWIN,
        /** First one, then the other; an error where the twin replies or writes anything else. */
        BOTH
    }

    private static final long NEVER = Long.MAX_VALUE;
    private static final String WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";

    /** A key's value, never changed, and when it expires by the clock of this Redis. */
    private record Entry(boolean isHash, Map<String, byte[]> fields, long expiresMicros) {}

    /** What is asked of this Redis is not possible; the message is the one of Redis. */
    static final class CommandException extends RuntimeException {
        private static final long serialVersionUID = 1;

        CommandException(String message) {
            super(message, null, false, false);
        }
    }

    /** Hears of each call. */
    public interface Observer {
        /** @param before the state before the call, for {@link #restore} */
        void ran(byte[][] names, byte[][] arguments, Object before, byte[] reply);
    }

    private final SpendTwin twin = new SpendTwin(this);
    private @Nullable LuaScript script;
    private Engine engine;
    private Map<String, Entry> keys = new HashMap<>();
    private long nowMicros;
    private @Nullable Observer observer;

    /** An empty Redis, whose clock stands at 0. */
    public MemoryRedis(Engine engine) {
        this.engine = engine;
    }

    /** Says what runs from now on. */
    public void use(Engine next) {
        engine = next;
    }

    /** Sets the clock. */
    public void setNow(long micros) {
        nowMicros = micros;
    }

    /** Returns the clock. */
    public long nowMicros() {
        return nowMicros;
    }

    /** Runs the script, as {@code EVALSHA} does. */
    public byte[] run(byte[][] names, byte[][] arguments) {
        var before = observer == null && engine != Engine.BOTH ? null : new HashMap<>(keys);
        byte[] reply = engine == Engine.TWIN ? twin.run(names, arguments) : script().run(names, arguments);
        if (engine == Engine.BOTH) compare(names, arguments, Objects.requireNonNull(before), reply);
        if (observer != null) observer.ran(names, arguments, Objects.requireNonNull(before), reply);
        return reply;
    }

    private LuaScript script() {
        if (script == null) script = new LuaScript(this);
        return script;
    }

    private void compare(byte[][] names, byte[][] arguments, Map<String, Entry> before, byte[] reply) {
        var after = keys;
        keys = new HashMap<>(before);
        byte[] twins = twin.run(names, arguments);
        boolean same = Arrays.equals(reply, twins) && after.keySet().equals(keys.keySet());
        for (var name : after.keySet()) same = same && isSame(after.get(name), keys.get(name));
        if (same) return;
        var told = "\nscript " + text(reply) + "\n" + told(after) + "\ntwin   " + text(twins) + "\n" + told(keys);
        keys = after;
        throw new AssertionError("the script and its twin differ at " + nowMicros + told);
    }

    private static boolean isSame(Entry one, Entry other) {
        if (one == other) return true;
        if (one.isHash() != other.isHash() || one.expiresMicros() != other.expiresMicros()) return false;
        if (!one.fields().keySet().equals(other.fields().keySet())) return false;
        for (var field : one.fields().entrySet()) {
            if (!Arrays.equals(field.getValue(), other.fields().get(field.getKey()))) return false;
        }
        return true;
    }

    private static String told(Map<String, Entry> state) {
        var told = new StringBuilder();
        new TreeMap<>(state)
                .forEach((name, entry) -> new TreeMap<>(entry.fields())
                        .forEach((field, value) -> told.append(name)
                                .append(' ')
                                .append(field)
                                .append(' ')
                                .append(text(value))
                                .append(" until ")
                                .append(entry.expiresMicros())
                                .append('\n')));
        return told.toString();
    }

    private static String text(byte[] bytes) {
        for (byte each : bytes) if (each < ' ') return java.util.HexFormat.of().formatHex(bytes);
        return latin1(bytes);
    }

    /** Has this one hear of each call from now on. */
    public void observe(Observer next) {
        observer = next;
    }

    /** Returns what is stored: to be given to {@link #restore} later. */
    public Object state() {
        return new HashMap<>(keys);
    }

    /** Goes back to a state. */
    @SuppressWarnings("unchecked")
    public void restore(Object state) {
        keys = new HashMap<>((Map<String, Entry>) state);
    }

    /** Loses everything. */
    public void clear() {
        keys.clear();
    }

    /** {@code DEL}. */
    public void delete(String key) {
        keys.remove(key);
    }

    /** {@code SET}: whatever was there is a string now, and no hash. */
    public void setString(String key) {
        keys.put(key, new Entry(false, Map.of(), NEVER));
    }

    /** Returns whether there is a key, and it is no hash. */
    public boolean isString(String key) {
        var entry = live(key);
        return entry != null && !entry.isHash();
    }

    /** {@code HSET} of one field, the bytes as Latin-1. */
    public void put(String key, String field, String value) {
        write(key, Map.of(field, value.getBytes(StandardCharsets.ISO_8859_1)));
    }

    /** {@code HGETALL}, the bytes as Latin-1; empty where there is no such key. */
    public Map<String, String> fields(String key) {
        var fields = new TreeMap<String, String>();
        var entry = live(key);
        if (entry != null) entry.fields().forEach((name, value) -> fields.put(name, latin1(value)));
        return fields;
    }

    /** {@code TTL}, in seconds; -1: none, -2: no such key. */
    public long ttlSeconds(String key) {
        var entry = live(key);
        if (entry == null) return -2;
        return entry.expiresMicros() == NEVER ? -1 : (entry.expiresMicros() - nowMicros) / 1_000_000;
    }

    /** {@code EXPIRE}; returns whether there is such a key. */
    public boolean expire(String key, long seconds) {
        var entry = live(key);
        if (entry == null) return false;
        keys.put(key, new Entry(entry.isHash(), entry.fields(), nowMicros + seconds * 1_000_000));
        return true;
    }

    /** {@code PERSIST}; returns whether there was a time to live. */
    boolean persist(String key) {
        var entry = live(key);
        if (entry == null || entry.expiresMicros() == NEVER) return false;
        keys.put(key, new Entry(entry.isHash(), entry.fields(), NEVER));
        return true;
    }

    /** Returns the fields of a hash, not to be changed; empty where there is no such key. */
    Map<String, byte[]> hash(String key) {
        var entry = live(key);
        if (entry == null) return Map.of();
        if (!entry.isHash()) throw new CommandException(WRONG_TYPE);
        return entry.fields();
    }

    /** {@code HSET}. */
    void write(String key, Map<String, byte[]> values) {
        var fields = new HashMap<>(hash(key));
        fields.putAll(values);
        var entry = keys.get(key);
        keys.put(key, new Entry(true, fields, entry == null ? NEVER : entry.expiresMicros()));
    }

    private @Nullable Entry live(String key) {
        var entry = keys.get(key);
        if (entry == null || entry.expiresMicros() > nowMicros) return entry;
        keys.remove(key);
        return null;
    }

    static String latin1(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** Returns the names of the keys that are there. */
    public List<String> names() {
        var live = new ArrayList<String>();
        for (var name : new ArrayList<>(keys.keySet())) {
            if (live(name) != null) live.add(name);
        }
        return live;
    }
}
