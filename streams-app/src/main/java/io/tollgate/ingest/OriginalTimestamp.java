package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.Record;

/**
 * The timestamp that an agent gave its request. The header {@code quota-timestamp} holds it if the record continues
 * with another one.
 */
public final class OriginalTimestamp {
    static final String HEADER = "quota-timestamp";

    /** Until it is written to a topic, the header holds a Java object, which no producer can forge. */
    private record Note(byte[] value) implements Header {
        @Override
        public String key() {
            return HEADER;
        }
    }

    private OriginalTimestamp() {}

    /** Notes a replaced timestamp. For a missing one, which is -1, it notes 0, the nearest. */
    static void note(Headers headers, long millis) {
        headers.add(new Note(Long.toString(Math.max(0, millis)).getBytes(StandardCharsets.UTF_8)));
    }

    /** Returns whether this is our own note, not a header forged by an agent. */
    static boolean isNote(Header header) {
        return header instanceof Note;
    }

    /** Returns the timestamp of the request, in milliseconds since the epoch: the noted one, else the record's. */
    public static long of(Record<?, ?> record) {
        var noted = record.headers().lastHeader(HEADER);
        if (noted == null || noted.value() == null) return record.timestamp();
        return Long.parseLong(new String(noted.value(), StandardCharsets.UTF_8));
    }

    /** Removes the note, where no such header may be written. */
    public static void takeFrom(Headers headers) {
        headers.remove(HEADER);
    }
}
