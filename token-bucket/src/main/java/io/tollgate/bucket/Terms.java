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

    /** How many starts of periods the script is told. */
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

    /** Returns one limit, of no policy in particular. */
    public static Terms of(Limit limit) {
        return new Terms(0, List.of(NamedLimit.only(limit)));
    }

    /** Returns the limit that other programs share. */
    public Limit first() {
        return limits.get(0).limit();
    }

    /** Returns whether a limit is one of the calendar. */
    boolean isByCalendar() {
        for (var limit : limits) if (limit.limit().refill() instanceof CalendarRefill) return true;
        return false;
    }

    /** Returns whether a limit is full at the start of a period, and one starts after one moment, and until another. */
    boolean isFullBetween(double fromSeconds, double toSeconds) {
        for (var limit : limits) if (limit.limit().isFullBetween(fromSeconds, toSeconds)) return true;
        return false;
    }

    /** Returns the place of the limit with this name; -1 if there is none. */
    public int indexOf(String name) {
        for (int i = 0; i < limits.size(); i++) {
            if (limits.get(i).name().equals(name)) return i;
        }
        return -1;
    }

    /**
     * Returns the policy's number, and of each limit capacity, refill rate and name, packed. A limit of the calendar has the number of its
     * period, negative, in place of the rate, and then its zone. At the end stands for each of those when the period in which the moment
     * lies started, when the next one does, and the one after: {@code spend.lua} knows no calendar.
     *
     * @param atSeconds seconds since the epoch: about when the tokens are looked at that these terms are for, or were left by them
     */
    public byte[] encode(double atSeconds) {
        var bytes = ByteBuffer.allocate(encodedBytes()).order(ByteOrder.LITTLE_ENDIAN);
        encode(bytes, atSeconds);
        return bytes.array();
    }

    /** Returns how many bytes {@link #encode} gives. */
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

    /** Writes what {@link #encode(double)} gives into these bytes, which are little-endian. */
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
     * @throws IllegalArgumentException if they hold no terms
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
