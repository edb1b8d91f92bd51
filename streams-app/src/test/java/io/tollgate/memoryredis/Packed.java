package io.tollgate.memoryredis;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What {@code struct.pack} and {@code struct.unpack} do in {@code spend.lua}: little-endian values, one behind the other. */
final class Packed {
    static final byte[] NOTHING = {};

    private static final VarHandle DOUBLES =
            MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private Packed() {}

    static double doubleAt(byte[] bytes, int at) {
        require(bytes, at, 8);
        return (double) DOUBLES.get(bytes, at);
    }

    static long longAt(byte[] bytes, int at) {
        require(bytes, at, 8);
        return (long) LONGS.get(bytes, at);
    }

    /** Without a sign. */
    static long intAt(byte[] bytes, int at) {
        require(bytes, at, 4);
        return (int) INTS.get(bytes, at) & 0xffff_ffffL;
    }

    static int byteAt(byte[] bytes, int at) {
        require(bytes, at, 1);
        return bytes[at] & 0xff;
    }

    static byte[] text(byte[] bytes, int at, long size) {
        require(bytes, at, size);
        return size == 0 ? NOTHING : Arrays.copyOfRange(bytes, at, (int) (at + size));
    }

    private static void require(byte[] bytes, int at, long size) {
        if (at + size > bytes.length) throw new SpendTwin.ScriptException("data string too short");
    }

    static byte[] concat(byte[]... parts) {
        int size = 0;
        for (byte[] part : parts) size += part.length;
        var all = new byte[size];
        int at = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /** Reads on from a position. */
    static final class Reader {
        final byte[] bytes;
        int at;

        Reader(byte[] bytes, int at) {
            this.bytes = bytes;
            this.at = at;
        }

        boolean hasMore() {
            return at < bytes.length;
        }

        double readDouble() {
            at += 8;
            return doubleAt(bytes, at - 8);
        }

        long readLong() {
            at += 8;
            return longAt(bytes, at - 8);
        }

        long readInt() {
            at += 4;
            return intAt(bytes, at - 4);
        }

        int readByte() {
            at++;
            return byteAt(bytes, at - 1);
        }

        /** As {@code I4c0}. */
        byte[] readText() {
            long size = readInt();
            byte[] text = text(bytes, at, size);
            at += (int) size;
            return text;
        }

        /** As {@code dd}, to the end. */
        List<double[]> readPairs() {
            var pairs = new ArrayList<double[]>();
            while (hasMore()) pairs.add(new double[] {readDouble(), readDouble()});
            return pairs;
        }
    }

    /** Writes on. */
    static final class Writer {
        private byte[] bytes = new byte[128];
        private int size;

        private int grow(int by) {
            int at = size;
            size += by;
            if (size > bytes.length) bytes = Arrays.copyOf(bytes, Math.max(size, 2 * bytes.length));
            return at;
        }

        Writer put(double value) {
            int at = grow(8); // which may replace the bytes
            DOUBLES.set(bytes, at, value);
            return this;
        }

        Writer put(double... values) {
            for (double value : values) put(value);
            return this;
        }

        Writer putLong(long value) {
            int at = grow(8);
            LONGS.set(bytes, at, value);
            return this;
        }

        Writer putInt(long value) {
            int at = grow(4);
            INTS.set(bytes, at, (int) value);
            return this;
        }

        Writer putByte(int value) {
            int at = grow(1);
            bytes[at] = (byte) value;
            return this;
        }

        Writer put(byte[] text) {
            int at = grow(text.length);
            System.arraycopy(text, 0, bytes, at, text.length);
            return this;
        }

        int size() {
            return size;
        }

        byte[] toBytes() {
            return Arrays.copyOf(bytes, size);
        }
    }
}
