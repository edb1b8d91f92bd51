package io.tollgate.bucket;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;

/**
 * What a decision was made by: the limits, all of which must cover a request, and the number of the policy that set them. Immutable.
 *
 * <p>The bytes of {@link #encode} are those that {@code spend.lua} keeps in Redis beside what was decided.
 *
 * @param policy the caller's own number for the policy, kept and never read here; 0: no policy in particular
 * @param limits from 1 to {@value #MAX_LIMITS}, their names unique; the first is the one that other programs share
 */
public record Terms(long policy, List<NamedLimit> limits) {
    /** The most limits that one agent has. */
    public static final int MAX_LIMITS = 8;

    /** @throws IllegalArgumentException if there are none, too many, or two of one name */
    public Terms {
        limits = List.copyOf(limits);
        if (limits.isEmpty() || limits.size() > MAX_LIMITS) {
            throw new IllegalArgumentException(
                    "there must be from 1 to " + MAX_LIMITS + " limits, but are " + limits.size());
        }
        if (limits.size() > 1) {
            var names = new HashSet<String>();
            for (var limit : limits) {
                if (!names.add(limit.name())) {
                    throw new IllegalArgumentException("limits must have different names");
                }
            }
        }
    }

    /** Returns one limit, of no policy in particular. */
    public static Terms of(Limit limit) {
        return new Terms(0, List.of(NamedLimit.only(limit)));
    }

    /** Returns the limit that other programs share. */
    public Limit first() {
        return limits.get(0).limit();
    }

    /** Returns the place of the limit with this name; -1 if there is none. */
    public int indexOf(String name) {
        for (int i = 0; i < limits.size(); i++) {
            if (limits.get(i).name().equals(name)) return i;
        }
        return -1;
    }

    /** Returns how long the slowest of the empty buckets needs to fill, in seconds; infinity if one never refills. */
    public double secondsToFill() {
        return limits.stream()
                .mapToDouble(limit -> limit.limit().secondsToFill())
                .max()
                .orElseThrow();
    }

    /** Returns the policy's number, and of each limit capacity, refill rate and name, packed. */
    public byte[] encode() {
        var bytes = ByteBuffer.allocate(encodedBytes()).order(ByteOrder.LITTLE_ENDIAN);
        encode(bytes);
        return bytes.array();
    }

    /** Returns how many bytes {@link #encode} gives. */
    public int encodedBytes() {
        int size = Long.BYTES;
        for (var limit : limits) size += 2 * Double.BYTES + 1 + limit.name().length(); // names are ASCII
        return size;
    }

    /** Writes what {@link #encode()} gives into these bytes, which are little-endian. */
    public void encode(ByteBuffer bytes) {
        bytes.putLong(policy);
        for (var limit : limits) {
            bytes.putDouble(limit.limit().capacityTokens())
                    .putDouble(limit.limit().refillTokensPerSecond())
                    .put((byte) limit.name().length());
            if (!limit.name().isEmpty()) bytes.put(limit.name().getBytes(StandardCharsets.US_ASCII));
        }
    }

    /**
     * Returns the terms that {@link #encode} wrote.
     *
     * @throws BufferUnderflowException if the bytes are cut off
     * @throws IllegalArgumentException if they hold no terms
     */
    public static Terms decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
        long policy = bytes.getLong();
        var limits = new ArrayList<NamedLimit>(1);
        while (bytes.hasRemaining()) {
            var limit = new Limit(bytes.getDouble(), bytes.getDouble());
            var name = new byte[Byte.toUnsignedInt(bytes.get())];
            bytes.get(name);
            limits.add(new NamedLimit(new String(name, StandardCharsets.US_ASCII), limit));
        }
        return new Terms(policy, limits);
    }
}
