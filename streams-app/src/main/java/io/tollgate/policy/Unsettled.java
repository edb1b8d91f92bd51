package io.tollgate.policy;

import java.util.Locale;
import java.util.Optional;

/** The end of a hold whose deadline passes. */
public enum Unsettled {
    /** All that was reserved counts as used. */
    CHARGED,
    /** Nothing counts as used. */
    RETURNED;

    /** Returns the name that policies use. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the rule with this name; empty if there is none. */
    static Optional<Unsettled> of(String text) {
        for (var unsettled : values()) {
            if (unsettled.text().equals(text)) return Optional.of(unsettled);
        }
        return Optional.empty();
    }
}
