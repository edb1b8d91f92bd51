package io.tollgate.policy;

import java.util.Locale;
import java.util.Optional;

/** What a policy does about a request that its limits do not cover. */
public enum Mode {
    /** Refuses it. */
    ENFORCE,
    /** Approves it, and says that it would have been refused. */
    SHADOW,
    /** Approves it; there is no bucket. */
    OFF;

    /** Returns the word that policies use. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the mode of this word; empty if there is none. */
    static Optional<Mode> of(String text) {
        for (var mode : values()) {
            if (mode.text().equals(text)) return Optional.of(mode);
        }
        return Optional.empty();
    }
}
