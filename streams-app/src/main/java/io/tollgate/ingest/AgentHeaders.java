package io.tollgate.ingest;

import java.util.ArrayList;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.jspecify.annotations.Nullable;

/** Selects the headers of agents that are kept. */
final class AgentHeaders {
    /** Prefix of every header that Tollgate writes. */
    private static final String RESERVED_HEADERS = "quota-";

    private AgentHeaders() {}

    /**
     * Only Tollgate writes quota headers: an agent could otherwise forge its own approval. Copied rather than removed
     * one by one, which would take seconds for the tens of thousands that fit into a record.
     */
    static Headers withoutReserved(Headers headers) {
        if (!holdsReserved(headers)) return headers;
        var kept = new ArrayList<Header>();
        for (Header header : headers) {
            if (!header.key().startsWith(RESERVED_HEADERS) || OriginalTimestamp.isNote(header)) kept.add(header);
        }
        return new RecordHeaders(kept);
    }

    static Headers withoutAgents(Headers headers) {
        var kept = new RecordHeaders();
        for (Header header : headers) {
            if (header.key().equals(Source.HEADER) || OriginalTimestamp.isNote(header)) kept.add(header);
        }
        return kept;
    }

    private static boolean holdsReserved(Headers headers) {
        for (Header header : headers) {
            if (header.key().startsWith(RESERVED_HEADERS)) return true;
        }
        return false;
    }

    /**
     * Returns whether key and headers alone would not fit into a record. They are then left out, and {@code
     * quota-source} says where they are.
     */
    static boolean isBaggage(byte @Nullable [] key, Headers headers, int maxRecordBytes) {
        return RecordClassifier.length(key) + RecordClassifier.bytes(headers) > maxRecordBytes;
    }
}
