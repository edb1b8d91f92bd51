package io.tollgate.memoryredis;

import io.tollgate.redis.SpendScript;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.luaj.vm2.Globals;
import org.luaj.vm2.LuaError;
import org.luaj.vm2.LuaString;
import org.luaj.vm2.LuaTable;
import org.luaj.vm2.LuaValue;
import org.luaj.vm2.Varargs;
import org.luaj.vm2.lib.OneArgFunction;
import org.luaj.vm2.lib.VarArgFunction;
import org.luaj.vm2.lib.jse.JsePlatform;

/** {@code spend.lua}, the real text, on a {@link MemoryRedis}. Not thread-safe. */
final class LuaScript {
    private static final LuaString KEYS = LuaValue.valueOf("KEYS");
    private static final LuaString ARGV = LuaValue.valueOf("ARGV");

    private final MemoryRedis data;
    private final Globals globals = JsePlatform.standardGlobals();
    private final LuaValue script;

    LuaScript(MemoryRedis data) {
        this.data = data;
        globals.set("redis", redis());
        globals.set("struct", struct());
        globals.set("bit", bit());
        globals.set("unpack", globals.get("table").get("unpack"));
        globals.set("tonumber", new ToNumber());
        globals.set(
                "error",
                new OneArgFunction() { // the script's are all of level 0, to which LuaJ adds a place
                    @Override
                    public LuaValue call(LuaValue message) {
                        throw new LuaError(message);
                    }
                });
        globals.get("string").set("format", new Format());
        script = globals.load(SpendScript.text(), "spend");
    }

    byte[] run(byte[][] names, byte[][] arguments) {
        globals.rawset(KEYS, table(names));
        globals.rawset(ARGV, table(arguments));
        return copy(script.call().checkstring());
    }

    private static LuaTable table(byte[][] texts) {
        var table = new LuaTable(texts.length, 0);
        for (int i = 0; i < texts.length; i++) table.rawset(i + 1, LuaString.valueUsing(texts[i]));
        return table;
    }

    /** Lua's strings may be parts of larger ones. */
    private static byte[] copy(LuaString string) {
        var bytes = new byte[string.length()];
        string.copyInto(0, bytes, 0, bytes.length);
        return bytes;
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
        try {
            return command(name, args);
        } catch (MemoryRedis.CommandException refused) {
            throw new LuaError(refused.getMessage());
        }
    }

    private LuaValue command(String name, Varargs args) {
        switch (name) {
            case "TIME": {
                var time = new LuaTable(2, 0);
                time.rawset(1, LuaValue.valueOf(Long.toString(data.nowMicros() / 1_000_000)));
                time.rawset(2, LuaValue.valueOf(Long.toString(data.nowMicros() % 1_000_000)));
                return time;
            }
            case "HMGET": {
                var fields = data.hash(text(args.arg(2)));
                int count = args.narg() - 2;
                var values = new LuaTable(count, 0);
                for (int i = 1; i <= count; i++) {
                    var value = fields.get(text(args.arg(i + 2)));
                    values.rawset(i, value == null ? LuaValue.FALSE : LuaString.valueUsing(value));
                }
                return values;
            }
            case "HSET": {
                var values = new HashMap<String, byte[]>();
                for (int i = 3; i < args.narg(); i += 2) values.put(text(args.arg(i)), copy(bytes(args.arg(i + 1))));
                data.write(text(args.arg(2)), values);
                return LuaValue.valueOf(values.size());
            }
            case "PERSIST":
                return LuaValue.valueOf(data.persist(text(args.arg(2))) ? 1 : 0);
            case "EXPIRE":
                return LuaValue.valueOf(data.expire(text(args.arg(2)), Long.parseLong(text(args.arg(3)))) ? 1 : 0);
            default:
                throw new LuaError("MemoryRedis does not know " + name);
        }
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
            var items = LuaScript.items(format);
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
                        default -> throw new LuaError("MemoryRedis does not know struct's " + letter);
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
}
