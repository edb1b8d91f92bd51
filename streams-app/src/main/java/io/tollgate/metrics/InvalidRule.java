package io.tollgate.metrics;

import java.util.Locale;

/** The rule an invalid record breaks: a closed set, because a label must not hold text of agents. */
public enum InvalidRule {
    /** No value, or one without bytes. */
    EMPTY,
    /** Not UTF-8, a zero byte, or a byte order mark. */
    ENCODING,
    /** Not a single JSON object. */
    JSON,
    /** Nested too deep, a name or a string too long, or too large for a topic once decided. */
    TOO_LARGE,
    /** One of our fields appears twice. */
    DUPLICATE_FIELD,
    /** {@code agent_id} is missing or breaks its rule. */
    AGENT_ID,
    /** {@code request_id} breaks its rule. */
    REQUEST_ID,
    /** {@code tokens} breaks its rule. */
    TOKENS,
    /** {@code hold} breaks its rule. */
    HOLD;

    private final String text = name().toLowerCase(Locale.ROOT);

    /** Returns the value of the label {@code rule}. */
    public String text() {
        return text;
    }
}
