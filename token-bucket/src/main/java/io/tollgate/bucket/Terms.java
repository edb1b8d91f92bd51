package io.tollgate.bucket;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;

/**
 * The terms of a decision: the limits, all of which must cover a request, and the number of the policy that set
 * them. Immutable.
 *
 * <p>The bytes of {@link #encode} are those that {@code spend.lua} keeps in Redis beside the decisions.
 *
 * @param policy the caller's own number for the policy, kept and never read here; 0: none
 * @param limits from 1 to {@value #MAX_LIMITS}, their names unique; the first is the one that other programs share
 */
public record Terms(long policy, List<NamedLimit> limits) {
    /** The most limits that one agent has. */
    public static final int MAX_LIMITS = 8;

    /** The number of starts of periods that the script gets. */
    private static final int STARTS = 3;

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

    /** Returns a single limit without a policy. */
    public static Terms of(Limit limit) {
        return new Terms(0, List.of(NamedLimit.only(limit)));
    }

    /** Returns the limit that other programs share. */
    public Limit first() {
        return limits.get(0).limit();
    }

    /** Returns whether there is a calendar limit. */
    boolean isByCalendar() {
        for (var limit : limits) if (limit.limit().refill() instanceof CalendarRefill) return true;
        return false;
    }

    /** Returns whether a limit is full at the start of a period, and one starts after one moment, and until another. */
    boolean isFullBetween(double fromSeconds, double toSeconds) {
        for (var limit : limits) if (limit.limit().isFullBetween(fromSeconds, toSeconds)) return true;
        return false;
    }

    /** Returns the same of every limit. */
    public boolean areFullBetween(double fromSeconds, double toSeconds) {
        for (var limit : limits) if (!limit.limit().isFullBetween(fromSeconds, toSeconds)) return false;
        return true;
    }

    /** Returns the index of the limit with this name; -1 if there is none. */
    public int indexOf(String name) {
        for (int i = 0; i < limits.size(); i++) {
            if (limits.get(i).name().equals(name)) return i;
        }
        return -1;
    }

    /**
     * Returns the policy's number, and the capacity, refill rate and name of each limit, packed. A calendar limit has
     * the negative number of its period instead of the rate, and then its zone. At the end stand, for each calendar
     * limit, the starts of the period in which the moment lies, of the next one, and of the one after that: {@code
     * spend.lua} knows no calendar.
     *
     * @param atSeconds seconds since the epoch: roughly the time at which these terms are used, or at which tokens were
     *     left under them
     */
    public byte[] encode(double atSeconds) {
        var bytes = ByteBuffer.allocate(encodedBytes()).order(ByteOrder.LITTLE_ENDIAN);
        encode(bytes, atSeconds);
        return bytes.array();
    }

    /** Returns the number of bytes that {@link #encode} gives. */
    public int encodedBytes() {
        int size = Long.BYTES;
        for (var limit : limits) {
            size += 2 * Double.BYTES + 1 + limit.name().length(); // names are ASCII
            if (limit.limit().refill() instanceof CalendarRefill calendar) {
                size += 1 + calendar.zone().getId().length() + STARTS * Double.BYTES;
            }
        }
        return size;
    }

    /** Writes the bytes of {@link #encode(double)} into this buffer, which is little-endian. */
    public void encode(ByteBuffer bytes, double atSeconds) {
        bytes.putLong(policy);
        for (var limit : limits) {
            var refill = limit.limit().refill();
            bytes.putDouble(limit.limit().capacityTokens());
            if (refill instanceof Refill.Steady steady) bytes.putDouble(steady.tokensPerSecond());
            else bytes.putDouble(-1 - ((CalendarRefill) refill).period().ordinal());
            text(bytes, limit.name());
            if (refill instanceof CalendarRefill calendar)
                text(bytes, calendar.zone().getId());
        }
        for (var limit : limits) {
            if (!(limit.limit().refill() instanceof CalendarRefill calendar)) continue;
            double start = calendar.startOf(atSeconds);
            for (int i = 0; i < STARTS; i++) {
                bytes.putDouble(start);
                start = calendar.endOf(start);
            }
        }
    }

    private static void text(ByteBuffer bytes, String ascii) {
        bytes.put((byte) ascii.length());
        if (!ascii.isEmpty()) bytes.put(ascii.getBytes(StandardCharsets.US_ASCII));
    }

    /**
     * Returns the terms that {@link #encode} wrote.
     *
     * @throws BufferUnderflowException if the bytes are cut off
     * @throws IllegalArgumentException if they are not terms
     */
    public static Terms decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
        long policy = bytes.getLong();
        var limits = new ArrayList<NamedLimit>(1);
        int starts = 0;
        while (bytes.remaining() > starts) {
            double capacity = bytes.getDouble();
            double rate = bytes.getDouble();
            var name = text(bytes);
            if (rate < 0) starts += STARTS * Double.BYTES;
            limits.add(new NamedLimit(
                    name, rate < 0 ? new Limit(capacity, calendar(rate, bytes)) : new Limit(capacity, rate)));
        }
        if (bytes.remaining() < starts) throw new BufferUnderflowException();
        return new Terms(policy, limits);
    }

    private static Refill calendar(double rate, ByteBuffer bytes) {
        int period = -1 - (int) rate;
        if (period >= Period.values().length) throw new IllegalArgumentException("there is no period " + period);
        return CalendarRefill.of(Period.values()[period], text(bytes));
    }

    private static String text(ByteBuffer bytes) {
        var text = new byte[Byte.toUnsignedInt(bytes.get())];
        bytes.get(text);
        return new String(text, StandardCharsets.US_ASCII);
    }
}
