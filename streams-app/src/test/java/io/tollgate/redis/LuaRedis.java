package io.tollgate.redis;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.luaj.vm2.Globals;
import org.luaj.vm2.LuaError;
import org.luaj.vm2.LuaString;
import org.luaj.vm2.LuaTable;
import org.luaj.vm2.LuaValue;
import org.luaj.vm2.Varargs;
import org.luaj.vm2.lib.OneArgFunction;
import org.luaj.vm2.lib.VarArgFunction;
import org.luaj.vm2.lib.jse.JsePlatform;

/**
 * A Redis in this process that runs {@code spend.lua}, the real text, on hashes in memory and at a time of our choice: what
 * {@link LuaRedisIT} proves equal to a real one. Not thread-safe.
 */
public final class LuaRedis {
    private static final long NEVER = Long.MAX_VALUE;

    /** A key's value and when it expires, by the clock of this Redis. Copied before each change, so that states can be kept. */
    private record Entry(boolean isHash, Map<String, LuaString> fields, long expiresMicros) {}

    private final Globals globals = JsePlatform.standardGlobals();
    private final LuaValue script;
    private Map<String, Entry> keys = new HashMap<>();
    private long nowMicros;
    private Observer observer = (names, arguments, before, reply) -> {};

    /** Hears of each call. */
    public interface Observer {
        /** @param before the state before the call, for {@link #restore} */
        void ran(byte[][] names, byte[][] arguments, Object before, byte[] reply);
    }

    /** An empty Redis, whose clock stands at 0. */
    public LuaRedis() {
        globals.set("redis", redis());
        globals.set("struct", struct());
        globals.set("bit", bit());
        globals.set("unpack", globals.get("table").get("unpack"));
        globals.set("tonumber", new ToNumber());
        globals.get("string").set("format", new Format());
        script = globals.load(new String(SpendScript.TEXT, StandardCharsets.ISO_8859_1), "spend");
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
        var keysTable = new LuaTable(names.length, 0);
        var argumentsTable = new LuaTable(names.length, 0);
        for (int i = 0; i < names.length; i++) keysTable.rawset(i + 1, LuaString.valueUsing(names[i]));
        for (int i = 0; i < arguments.length; i++) argumentsTable.rawset(i + 1, LuaString.valueUsing(arguments[i]));
        var before = keys;
        keys = new HashMap<>(before);
        globals.rawset(KEYS, keysTable);
        globals.rawset(ARGV, argumentsTable);
        var reply = script.call().checkstring();
        var bytes = new byte[reply.length()];
        reply.copyInto(0, bytes, 0, bytes.length);
        observer.ran(names, arguments, before, bytes);
        return bytes;
    }

    /** Has this one hear of each call from now on. */
    public void observe(Observer next) {
        observer = next;
    }

    private static final LuaString KEYS = LuaValue.valueOf("KEYS");
    private static final LuaString ARGV = LuaValue.valueOf("ARGV");

    /** Returns what is stored: to be given to {@link #restore} later, or on. */
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
        hset(key, field, LuaString.valueUsing(value.getBytes(StandardCharsets.ISO_8859_1)));
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

    /** {@code EXPIRE}. */
    public void expire(String key, long seconds) {
        var entry = live(key);
        if (entry != null) {
            keys.put(key, new Entry(entry.isHash(), entry.fields(), nowMicros + seconds * 1_000_000));
        }
    }

    private Entry live(String key) {
        var entry = keys.get(key);
        if (entry == null || entry.expiresMicros() > nowMicros) return entry;
        keys.remove(key);
        return null;
    }

    private void hset(String key, String field, LuaString value) {
        var entry = live(key);
        var fields = entry == null ? new HashMap<String, LuaString>() : new HashMap<>(entry.fields());
        fields.put(field, copy(value));
        keys.put(key, new Entry(true, fields, entry == null ? NEVER : entry.expiresMicros()));
    }

    /** Lua's strings may be parts of larger ones. */
    private static LuaString copy(LuaString string) {
        var bytes = new byte[string.length()];
        string.copyInto(0, bytes, 0, bytes.length);
        return LuaString.valueUsing(bytes);
    }

    private static String latin1(LuaString string) {
        return new String(string.m_bytes, string.m_offset, string.m_length, StandardCharsets.ISO_8859_1);
    }

    private LuaTable redis() {
        var redis = new LuaTable();
        redis.set("call", new VarArgFunction() {
            @Override
            public Varargs invoke(Varargs args) {
                return command(args);
            }
        });
        redis.set("pcall", new VarArgFunction() {
            @Override
            public Varargs invoke(Varargs args) {
                try {
                    return command(args);
                } catch (LuaError e) {
                    var error = new LuaTable();
                    error.set("err", e.getMessage());
                    return error;
                }
            }
        });
        return redis;
    }

    private LuaValue command(Varargs args) {
        var name = args.checkjstring(1);
        switch (name) {
            case "TIME": {
                var time = new LuaTable(2, 0);
                time.rawset(1, LuaValue.valueOf(Long.toString(nowMicros / 1_000_000)));
                time.rawset(2, LuaValue.valueOf(Long.toString(nowMicros % 1_000_000)));
                return time;
            }
            case "HMGET": {
                var entry = hash(args);
                int count = args.narg() - 2;
                var values = new LuaTable(count, 0);
                for (int i = 1; i <= count; i++) {
                    var value = entry == null ? null : entry.fields().get(text(args.arg(i + 2)));
                    values.rawset(i, value == null ? LuaValue.FALSE : value);
                }
                return values;
            }
            case "HGET": {
                var entry = hash(args);
                var value = entry == null ? null : entry.fields().get(text(args.arg(3)));
                return value == null ? LuaValue.FALSE : value;
            }
            case "HSET": {
                var entry = hash(args);
                var fields = entry == null ? new HashMap<String, LuaString>() : new HashMap<>(entry.fields());
                for (int i = 3; i < args.narg(); i += 2) fields.put(text(args.arg(i)), copy(bytes(args.arg(i + 1))));
                keys.put(text(args.arg(2)), new Entry(true, fields, entry == null ? NEVER : entry.expiresMicros()));
                return LuaValue.valueOf(args.narg() / 2 - 1);
            }
            case "HDEL": {
                var entry = hash(args);
                if (entry == null) return LuaValue.ZERO;
                var fields = new HashMap<>(entry.fields());
                for (int i = 3; i <= args.narg(); i++) fields.remove(text(args.arg(i)));
                if (fields.isEmpty()) keys.remove(text(args.arg(2)));
                else keys.put(text(args.arg(2)), new Entry(true, fields, entry.expiresMicros()));
                return LuaValue.valueOf(entry.fields().size() - fields.size());
            }
            case "DEL":
                return LuaValue.valueOf(keys.remove(text(args.arg(2))) == null ? 0 : 1);
            case "EXPIRE":
            case "PEXPIRE": {
                var key = text(args.arg(2));
                var entry = live(key);
                if (entry == null) return LuaValue.ZERO;
                long unit = name.equals("EXPIRE") ? 1_000_000 : 1_000;
                long expires = nowMicros + Long.parseLong(text(args.arg(3))) * unit;
                keys.put(key, new Entry(entry.isHash(), entry.fields(), expires));
                return LuaValue.ONE;
            }
            case "PERSIST": {
                var key = text(args.arg(2));
                var entry = live(key);
                if (entry == null || entry.expiresMicros() == NEVER) return LuaValue.ZERO;
                keys.put(key, new Entry(entry.isHash(), entry.fields(), NEVER));
                return LuaValue.ONE;
            }
            default:
                throw new LuaError("LuaRedis does not know " + name);
        }
    }

    private Entry hash(Varargs args) {
        var entry = live(text(args.arg(2)));
        if (entry != null && !entry.isHash()) {
            throw new LuaError("WRONGTYPE Operation against a key holding the wrong kind of value");
        }
        return entry;
    }

    private static String text(LuaValue value) {
        return latin1(bytes(value));
    }

    /** Redis turns numbers to text with 17 digits. */
    private static LuaString bytes(LuaValue value) {
        if (value instanceof LuaString string) return string;
        return LuaValue.valueOf(CNumbers.general(value.checkdouble(), 17));
    }

    private static LuaTable bit() {
        var bit = new LuaTable();
        bit.set("band", bits((a, b) -> a & b));
        bit.set("bor", bits((a, b) -> a | b));
        bit.set("bxor", bits((a, b) -> a ^ b));
        bit.set("lshift", bits((a, b) -> a << (b & 31)));
        bit.set("rshift", bits((a, b) -> a >>> (b & 31)));
        bit.set("arshift", bits((a, b) -> a >> (b & 31)));
        bit.set("bnot", new OneArgFunction() {
            @Override
            public LuaValue call(LuaValue arg) {
                return LuaValue.valueOf(~toBit(arg));
            }
        });
        return bit;
    }

    private interface Bits {
        int of(int a, int b);
    }

    private static LuaValue bits(Bits operation) {
        return new VarArgFunction() {
            @Override
            public Varargs invoke(Varargs args) {
                int result = toBit(args.arg1());
                for (int i = 2; i <= args.narg(); i++) result = operation.of(result, toBit(args.arg(i)));
                return LuaValue.valueOf(result);
            }
        };
    }

    private static int toBit(LuaValue value) {
        return (int) (long) value.checkdouble();
    }

    /** As Lua 5.1 on a C library: takes nan, inf and 0x10. */
    private static final class ToNumber extends VarArgFunction {
        @Override
        public Varargs invoke(Varargs args) {
            var value = args.arg1();
            if (value.type() == TNUMBER) return value;
            if (!(value instanceof LuaString string)) return NIL;
            var parsed = CNumbers.parse(latin1(string));
            return parsed == null ? NIL : LuaValue.valueOf(parsed);
        }
    }

    /** {@code %.17g} and the like: LuaJ's own knows no precision. */
    private static final class Format extends VarArgFunction {
        @Override
        public Varargs invoke(Varargs args) {
            return LuaValue.valueOf(CNumbers.format(args.checkjstring(1), args.subargs(2)));
        }
    }

    private static LuaTable struct() {
        var struct = new LuaTable();
        struct.set("pack", new Pack());
        struct.set("unpack", new Unpack());
        return struct;
    }

    /** One letter of a format; {@code size}: in bytes, -1: as the number before says. */
    private record Item(char kind, int size) {}

    /** What was parsed of the script's constants, by their identity: to hash a LuaString is to read it whole. */
    private static final class Formats {
        private static final int MOST = 256;

        private final Map<LuaString, List<Item>> parsed = new IdentityHashMap<>();

        List<Item> items(LuaString format) {
            var known = parsed.get(format);
            if (known != null) return known;
            var items = LuaRedis.items(format);
            if (parsed.size() < MOST) parsed.put(format, items);
            return items;
        }
    }

    private static List<Item> items(LuaString format) {
        var items = new ArrayList<Item>();
        var text = latin1(format);
        for (int i = 0; i < text.length(); i++) {
            char letter = text.charAt(i);
            if (letter == '<') continue;
            int end = i + 1;
            while (end < text.length() && Character.isDigit(text.charAt(end))) end++;
            int digits = end == i + 1 ? -1 : Integer.parseInt(text, i + 1, end, 10);
            i = end - 1;
            items.add(
                    switch (letter) {
                        case 'd' -> new Item('d', 8);
                        case 'f' -> new Item('f', 4);
                        case 'b' -> new Item('i', 1);
                        case 'B' -> new Item('I', 1);
                        case 'h' -> new Item('i', 2);
                        case 'H' -> new Item('I', 2);
                        case 'l' -> new Item('i', 8);
                        case 'L' -> new Item('I', 8);
                        case 'i' -> new Item('i', digits < 0 ? 4 : digits);
                        case 'I' -> new Item('I', digits < 0 ? 4 : digits);
                        case 'c' -> new Item('c', digits < 0 ? 1 : digits == 0 ? -1 : digits);
                        case 's' -> new Item('s', 0);
                        default -> throw new LuaError("LuaRedis does not know struct's " + letter);
                    });
        }
        return items;
    }

    private static final class Pack extends VarArgFunction {
        private final Formats formats = new Formats();

        @Override
        public Varargs invoke(Varargs args) {
            var items = formats.items(args.checkstring(1));
            int size = 0;
            for (int i = 0; i < items.size(); i++) {
                var item = items.get(i);
                size += item.kind() == 's'
                        ? args.checkstring(i + 2).length() + 1
                        : item.size() < 0 ? args.checkstring(i + 2).length() : item.size();
            }
            var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < items.size(); i++) {
                var item = items.get(i);
                var value = args.arg(i + 2);
                switch (item.kind()) {
                    case 'd' -> bytes.putDouble(value.checkdouble());
                    case 'f' -> bytes.putFloat((float) value.checkdouble());
                    case 'c', 's' -> {
                        var string = value.checkstring();
                        int length = item.size() <= 0 ? string.length() : item.size();
                        if (string.length() < length) throw new LuaError("arg too short");
                        bytes.put(string.m_bytes, string.m_offset, length);
                        if (item.kind() == 's') bytes.put((byte) 0);
                    }
                    default -> {
                        long number = (long) value.checkdouble();
                        for (int b = 0; b < item.size(); b++) bytes.put((byte) (number >> 8 * b));
                    }
                }
            }
            return LuaString.valueUsing(bytes.array());
        }
    }

    private static final class Unpack extends VarArgFunction {
        private final Formats formats = new Formats();

        @Override
        public Varargs invoke(Varargs args) {
            var items = formats.items(args.checkstring(1));
            var string = args.checkstring(2);
            int at = args.optint(3, 1) - 1;
            if (at < 0) throw new LuaError("offset must be 1 or greater");
            var bytes = ByteBuffer.wrap(string.m_bytes).order(ByteOrder.LITTLE_ENDIAN);
            var values = new LuaValue[items.size() + 1];
            int count = 0;
            for (Item item : items) {
                int size = item.size();
                if (size < 0) size = values[--count].checkint();
                if (at + size > string.m_length) throw new LuaError("data string too short");
                int from = string.m_offset + at;
                switch (item.kind()) {
                    case 'd' -> values[count++] = LuaValue.valueOf(bytes.getDouble(from));
                    case 'f' -> values[count++] = LuaValue.valueOf(bytes.getFloat(from));
                    case 'c' -> values[count++] = LuaString.valueUsing(string.m_bytes, from, size);
                    case 's' -> {
                        while (at + size < string.m_length && string.m_bytes[from + size] != 0) size++;
                        values[count++] = LuaString.valueUsing(string.m_bytes, from, size);
                        size++;
                    }
                    default -> values[count++] = integer(string.m_bytes, from, size, item.kind() == 'i');
                }
                at += size;
            }
            values[count++] = LuaValue.valueOf(at + 1);
            return LuaValue.varargsOf(values, 0, count);
        }

        private static LuaValue integer(byte[] bytes, int from, int size, boolean signed) {
            long number = 0;
            for (int b = size - 1; b >= 0; b--) number = number << 8 | bytes[from + b] & 0xff;
            if (signed && size < 8) number = number << 64 - 8 * size >> 64 - 8 * size;
            return number == (int) number ? LuaValue.valueOf((int) number) : LuaValue.valueOf((double) number);
        }
    }

    /** Returns the names of the keys that are there. */
    public List<String> names() {
        var live = new ArrayList<String>();
        for (Iterator<String> names = new ArrayList<>(keys.keySet()).iterator(); names.hasNext(); ) {
            var name = names.next();
            if (live(name) != null) live.add(name);
        }
        return live;
    }
}
