package io.tollgate.ingest;

import java.security.SecureRandom;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * A parse result that a record carries. Code that looks at a polled record before the topology leaves it there, so that
 * nothing is parsed twice. Never written to a topic; no producer can forge a Java object.
 */
public class ParseResultHeader implements Header {
    /**
     * Cannot be guessed, because removing ours must not remove an agent's header of the same name. Short, because Kafka
     * Streams counts the characters of every header that it reads.
     */
    private static final String KEY = Long.toUnsignedString(new SecureRandom().nextLong(), Character.MAX_RADIX);

    private final Incoming incoming;

    /** @param incoming the classification of the record */
    public ParseResultHeader(Incoming incoming) {
        this.incoming = incoming;
    }

    /** Returns the result left on the record; null if there is none. */
    public static @Nullable ParseResultHeader on(Headers headers) {
        return headers.lastHeader(KEY) instanceof ParseResultHeader parsed ? parsed : null;
    }

    /** Removes the result from the record: it must not be written to a topic. */
    public static void takeFrom(Headers headers) {
        headers.remove(KEY);
    }

    /** Returns the classification of the record. */
    public Incoming incoming() {
        return incoming;
    }

    @Override
    public String key() {
        return KEY;
    }

    @Override
    public byte @Nullable [] value() {
        return null;
    }
}
