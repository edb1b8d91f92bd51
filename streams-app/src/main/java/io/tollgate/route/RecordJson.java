package io.tollgate.route;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.ingest.Source;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The JSON of a record that Tollgate makes, written field after field, and the fields that several of them have. By hand,
 * because a generator for every rejection costs more than all its fields. Not thread-safe.
 */
public final class RecordJson {
    private static final String HEX = "0123456789ABCDEF";
    private static final int USUAL_BYTES = 512;

    private byte[] bytes;
    private int length;

    public RecordJson() {
        this(0);
    }

    /** @param carriedBytes roughly the size of what it carries beside its own fields */
    RecordJson(int carriedBytes) {
        bytes = new byte[carriedBytes + USUAL_BYTES];
        append('{');
    }

    public RecordJson text(String name, String value) {
        begin(name);
        append('"');
        if (isPlain(value)) ascii(value);
        else append(escaped(value).getBytes(StandardCharsets.UTF_8));
        return append('"');
    }

    private static boolean isPlain(String value) {
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c < ' ' || c >= 0x7F || c == '"' || c == '\\') return false;
        }
        return true;
    }

    private static String escaped(String value) {
        var escaped = new StringBuilder(value.length() + 16);
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') escaped.append('\\').append(c);
            else if (c < ' ') escaped.append("\\u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
            else escaped.append(c);
        }
        return escaped.toString();
    }

    /** Writes a number as a plain decimal. */
    public RecordJson number(String name, double value) {
        return number(name, Decimal.text(value));
    }

    public RecordJson number(String name, long value) {
        return number(name, Long.toString(value));
    }

    /** Writes a number that stands as text already. */
    RecordJson number(String name, String value) {
        begin(name);
        ascii(value);
        return this;
    }

    /** Writes a value that is JSON already. */
    RecordJson json(String name, byte[] value) {
        begin(name);
        append(value);
        return this;
    }

    /** Writes what a limit promises. */
    public RecordJson limit(Limit limit) {
        number("capacity", limit.capacityTokens());
        number("refill_rate", limit.refillTokensPerSecond());
        return limit.refill() instanceof CalendarRefill calendar
                ? text("period", calendar.period().text())
                        .text("zone", calendar.zone().getId())
                : this;
    }

    /** Writes a position, and the timestamp of its record in milliseconds since the epoch. */
    public RecordJson source(Source source, long timestamp) {
        begin("source");
        return append('{')
                .text("topic", source.topic())
                .number("partition", source.partition())
                .number("offset", source.offset())
                .number("timestamp", timestamp)
                .append('}');
    }

    /** Returns the whole object; nothing may follow. */
    public byte[] end() {
        append('}');
        return length == bytes.length ? bytes : Arrays.copyOf(bytes, length);
    }

    /** Writes the name, with a comma before it but for the first field. */
    private void begin(String name) {
        if (bytes[length - 1] != '{') append(',');
        append('"');
        ascii(name);
        append('"');
        append(':');
    }

    @SuppressWarnings("deprecation") // it takes the low byte of each character: all of ASCII, and nothing is faster
    private void ascii(String text) {
        reserve(text.length());
        text.getBytes(0, text.length(), bytes, length);
        length += text.length();
    }

    private RecordJson append(char one) {
        reserve(1);
        bytes[length++] = (byte) one;
        return this;
    }

    private void append(byte[] more) {
        reserve(more.length);
        System.arraycopy(more, 0, bytes, length, more.length);
        length += more.length;
    }

    private void reserve(int more) {
        if (bytes.length - length < more) bytes = Arrays.copyOf(bytes, Math.max(length + more, 2 * bytes.length));
    }
}
