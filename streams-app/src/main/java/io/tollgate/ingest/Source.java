package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * The position at which an agent published its request. A stray keeps it in a header on its way home.
 *
 * @param topic the requests topic
 */
public record Source(String topic, int partition, long offset) {
    static final String HEADER = "quota-source";
    private static final Pattern POSITION = Pattern.compile("(.+)/(\\d{1,9})/(\\d{1,18})");

    /** The header as ingest writes it. Until it is written to a topic, the position need not be read from its text. */
    private record Noted(Source source, byte[] value) implements Header {
        @Override
        public String key() {
            return HEADER;
        }
    }

    /** Returns the value of the header {@code quota-source}. */
    public String text() {
        return topic + "/" + partition + "/" + offset;
    }

    /** Notes the position in the header {@code quota-source}. */
    static void write(Headers headers, RecordMetadata position) {
        var source = new Source(position.topic(), position.partition(), position.offset());
        headers.add(new Noted(source, source.text().getBytes(StandardCharsets.UTF_8)));
    }

    /** Returns whether the header holds a position. */
    static boolean isNoted(Headers headers) {
        return POSITION.matcher(noted(headers)).matches();
    }

    /**
     * Returns the position that ingest noted.
     *
     * @throws IllegalStateException if it did not
     */
    public static Source read(Headers headers) {
        if (headers.lastHeader(HEADER) instanceof Noted written) return written.source();
        var noted = noted(headers);
        int offset = noted.lastIndexOf('/');
        int partition = noted.lastIndexOf('/', offset - 1);
        if (partition < 0) throw new IllegalStateException("no position in header " + HEADER);
        return new Source(
                noted.substring(0, partition),
                Integer.parseInt(noted, partition + 1, offset, 10),
                Long.parseLong(noted, offset + 1, noted.length(), 10));
    }

    private static String noted(Headers headers) {
        var header = headers.lastHeader(HEADER);
        boolean empty = header == null || header.value() == null;
        return empty ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }
}
