package io.tollgate.ingest;

import java.security.SecureRandom;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * A parse result carried on the record itself: whoever looks at a polled record before the topology does leaves it there, so
 * that nothing is parsed twice. Never written to a topic; no producer can forge a Java object.
 */
public class ParseResultHeader implements Header {
    /**
     * Not to be guessed: taking ours away must not take an agent's header of the same name. Short, because Kafka Streams counts the
     * characters of every header that it reads.
     */
    private static final String KEY = Long.toUnsignedString(new SecureRandom().nextLong(), Character.MAX_RADIX);

    private final Incoming incoming;

    /** @param incoming what the record turned out to be */
    public ParseResultHeader(Incoming incoming) {
        this.incoming = incoming;
    }

    /** Returns what was left on the record; null if nothing was. */
    public static @Nullable ParseResultHeader on(Headers headers) {
        return headers.lastHeader(KEY) instanceof ParseResultHeader parsed ? parsed : null;
    }

    /** Takes away what was left on the record: nothing of ours may be written to a topic. */
    public static void takeFrom(Headers headers) {
        headers.remove(KEY);
    }

    /** Returns what the record turned out to be. */
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
