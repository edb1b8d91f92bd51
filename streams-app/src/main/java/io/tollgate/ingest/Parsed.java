package io.tollgate.ingest;

import java.util.UUID;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * A parse result carried on the record itself: whoever looks at a polled record before the topology does leaves it there, so
 * that nothing is parsed twice. Never written to a topic; no producer can forge a Java object.
 */
public record Parsed(Incoming incoming) implements Header {
    /** Not to be guessed: taking ours away must not take an agent's header of the same name. */
    private static final String KEY = "tollgate-parsed-" + UUID.randomUUID();

    @Override
    public String key() {
        return KEY;
    }

    @Override
    public byte @Nullable [] value() {
        return null;
    }

    /** Removes and returns what was left on the record; null if nothing was. */
    static @Nullable Incoming take(Headers headers) {
        if (!(headers.lastHeader(KEY) instanceof Parsed parsed)) return null;
        headers.remove(KEY);
        return parsed.incoming();
    }
}
