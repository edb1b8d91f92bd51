package io.tollgate.config;

import java.util.ArrayList;
import java.util.List;

/** The environment has mistakes: all of them, one sentence each. */
public final class SettingsException extends Exception {
    private static final long serialVersionUID = 1;

    private final ArrayList<String> mistakes; // serializable, as every field of an exception must be

    SettingsException(List<String> mistakes) {
        super(String.join("; ", mistakes));
        this.mistakes = new ArrayList<>(mistakes);
    }

    /** Returns one sentence for each mistake. */
    public List<String> mistakes() {
        return List.copyOf(mistakes);
    }
}
