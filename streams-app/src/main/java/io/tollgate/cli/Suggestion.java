package io.tollgate.cli;

import io.tollgate.env.Spelling;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds the known word that a mistyped word was meant to be. */
final class Suggestion {
    private Suggestion() {}

    /** Returns the known word that differs in at most a third of its letters, the nearest first; empty if none does. */
    static Optional<String> of(String typed, Stream<String> known) {
        return known.filter(word -> Spelling.distance(typed, word)
                        <= Math.max(1, word.replace("-", "").length() / 3))
                .min(Comparator.<String>comparingInt(word -> Spelling.distance(typed, word))
                        .thenComparing(word -> word));
    }
}
