package io.tollgate.metrics;

import java.util.Locale;

/** The rule that a record breaks which is no request: a closed set, because a label must not hold what agents write. */
public enum InvalidRule {
    /** No value, or one without bytes. */
    EMPTY,
    /** Not UTF-8, a zero byte, or a byte order mark. */
    ENCODING,
    /** Not one JSON object, and nothing after it. */
    JSON,
    /** Nested too deep, a name or a string too long, or no topic would take the record once decided. */
    TOO_LARGE,
    /** One of our fields is there twice. */
    DUPLICATE_FIELD,
    /** {@code agent_id} is missing or breaks its rule. */
    AGENT_ID,
    /** {@code request_id} breaks its rule. */
    REQUEST_ID,
    /** {@code tokens} breaks its rule. */
    TOKENS;

    private final String text = name().toLowerCase(Locale.ROOT);

    /** Returns the value of the label {@code rule}. */
    public String text() {
        return text;
    }
}
