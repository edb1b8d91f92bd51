package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.Record;

/** The timestamp that an agent gave its request, in the header {@code quota-timestamp} where the record goes on under another. */
public final class OriginalTimestamp {
    static final String HEADER = "quota-timestamp";

    /** Ours until it is written to a topic: no producer can forge a Java object. */
    private record Note(byte[] value) implements Header {
        @Override
        public String key() {
            return HEADER;
        }
    }

    private OriginalTimestamp() {}

    /** Notes a timestamp that was replaced; a request without one, which is -1, has the nearest, 0. */
    static void note(Headers headers, long millis) {
        headers.add(new Note(Long.toString(Math.max(0, millis)).getBytes(StandardCharsets.UTF_8)));
    }

    /** Returns whether this is a note of ours rather than a header that an agent has forged. */
    static boolean isNote(Header header) {
        return header instanceof Note;
    }

    /** Returns the timestamp of the request, in milliseconds since the epoch: what was noted, or else the record's. */
    public static long of(Record<?, ?> record) {
        var noted = record.headers().lastHeader(HEADER);
        if (noted == null || noted.value() == null) return record.timestamp();
        return Long.parseLong(new String(noted.value(), StandardCharsets.UTF_8));
    }

    /** Forgets what was noted, where no such header may be written. */
    public static void takeFrom(Headers headers) {
        headers.remove(HEADER);
    }
}
