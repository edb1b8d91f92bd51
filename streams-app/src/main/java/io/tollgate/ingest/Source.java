package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Where a request stands, as its agent published it: a stray keeps it in a header on its way home.
 *
 * @param topic the topic of requests
 */
public record Source(String topic, int partition, long offset) {
    private static final String HEADER = "quota-source";

    /** Notes the position in the header {@code quota-source}. */
    static void write(Headers headers, RecordMetadata position) {
        headers.add(
                HEADER,
                (position.topic() + "/" + position.partition() + "/" + position.offset())
                        .getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Returns the position that ingest noted.
     *
     * @throws IllegalArgumentException if it did not: the record came another way
     */
    public static Source read(Headers headers) {
        var header = headers.lastHeader(HEADER);
        if (header == null || header.value() == null) throw new IllegalArgumentException("no header " + HEADER);
        var text = new String(header.value(), StandardCharsets.UTF_8);
        int offsetAt = text.lastIndexOf('/');
        int partitionAt = text.lastIndexOf('/', offsetAt - 1);
        if (partitionAt < 1) throw new IllegalArgumentException("header " + HEADER + " holds no position");
        return new Source(
                text.substring(0, partitionAt),
                Integer.parseInt(text.substring(partitionAt + 1, offsetAt)),
                Long.parseLong(text.substring(offsetAt + 1)));
    }
}
