package io.tollgate.policy;

import java.util.Locale;
import java.util.Optional;

/** The way a policy treats a request that its limits do not cover. */
public enum Mode {
    /** Refuses it. */
    ENFORCE,
    /** Approves it, and notes that it would have been refused. */
    SHADOW,
    /** Approves it; there is no bucket. */
    OFF;

    /** Returns the name that policies use. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the mode with this name; empty if there is none. */
    static Optional<Mode> of(String text) {
        for (var mode : values()) {
            if (mode.text().equals(text)) return Optional.of(mode);
        }
        return Optional.empty();
    }
}
