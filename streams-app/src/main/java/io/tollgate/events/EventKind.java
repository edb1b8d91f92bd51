package io.tollgate.events;

import java.util.Locale;

/** The kinds of events about an agent. */
enum EventKind {
    /** An approval left a fifth of the bucket or less. */
    NEAR_LIMIT,
    /** A request was refused, and the agent's last event was of another kind. */
    FIRST_REFUSAL,
    /** A request was approved after a reported refusal. */
    RECOVERED;

    /** Returns the word that the event's JSON uses. */
    String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
