package io.tollgate.events;

import java.util.Locale;

/** What may be told of an agent. */
enum EventKind {
    /** An approval left a fifth of the bucket or less. */
    NEAR_LIMIT,
    /** A request was refused, and the last that was told of the agent was something else. */
    FIRST_REFUSAL,
    /** A request was approved after a refusal that was told. */
    RECOVERED;

    /** Returns the word that the event's JSON uses. */
    String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
