package io.tollgate.cli;

import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds the known word that a mistyped word was meant to be. */
final class Near {
    private Near() {}

    /** Returns the known word that differs in at most a third of its letters, the nearest first; empty if none does. */
    static Optional<String> to(String typed, Stream<String> known) {
        return known.filter(word -> distance(typed, word)
                        <= Math.max(1, word.replace("-", "").length() / 3))
                .min(Comparator.<String>comparingInt(word -> distance(typed, word))
                        .thenComparing(word -> word));
    }

    /** Returns the number of missing, extra and wrong letters: the Levenshtein distance. */
    private static int distance(String a, String b) {
        var row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) row[j] = j;
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(diagonal, row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
