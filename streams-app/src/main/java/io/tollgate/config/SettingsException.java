package io.tollgate.config;

import java.util.List;

/** The environment has mistakes: all of them, one sentence each. */
public final class SettingsException extends Exception {
    private static final long serialVersionUID = 1;

    private final List<String> mistakes;

    SettingsException(List<String> mistakes) {
        super(String.join("; ", mistakes));
        this.mistakes = List.copyOf(mistakes);
    }

    /** Returns one sentence for each mistake. */
    public List<String> mistakes() {
        return mistakes;
    }
}
