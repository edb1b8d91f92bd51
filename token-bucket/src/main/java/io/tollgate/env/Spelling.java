package io.tollgate.env;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** Finds the known name that a mistyped one most likely means. */
public final class Spelling {
    /** A shorter start of a name, such as REDIS_PA, could be anything. */
    private static final int SHORTEST_START = 9;

    private Spelling() {}

    /**
     * Returns the nearest known name; empty if none is near.
     *
     * <p>Near names differ in capitals, dots, dashes or underscores; are a start of the name ({@code REDIS_USER},
     * {@code TOKEN_BUCKET}); lack a word in the middle ({@code TOKEN_RATE}); add {@code _FILE} to a setting that has no
     * file; or have up to three letters missing, added, wrong or swapped, fewer in shorter names. Digits must match:
     * {@code REDIS_URL2} is another variable.
     */
    static Optional<String> meant(String name, Collection<String> known) {
        var typed = plain(name);
        return known.stream()
                .filter(candidate -> isNear(name, typed, candidate))
                .min(Comparator.<String>comparingInt(candidate -> distance(typed, plain(candidate)))
                        .thenComparing(Comparator.naturalOrder()));
    }

    private static boolean isNear(String name, String typed, String candidate) {
        var meant = plain(candidate);
        if (typed.equals(meant) || name.equals(candidate + Env.FILE)) return true;
        if (isWithoutMiddle(name, candidate)) return true;
        if (name.length() >= SHORTEST_START && !name.endsWith("_") && candidate.startsWith(name)) return true;
        if (typed.isEmpty() || typed.charAt(0) != meant.charAt(0)) return false;
        if (!typed.replaceAll("\\D", "").equals(meant.replaceAll("\\D", ""))) return false;
        int most = meant.length() <= 10 ? 1 : meant.length() <= 14 ? 2 : 3;
        return Math.abs(typed.length() - meant.length()) <= most && distance(typed, meant) <= most;
    }

    private static boolean isWithoutMiddle(String name, String candidate) {
        int first = candidate.indexOf('_');
        int last = candidate.lastIndexOf('_');
        return first < last && name.equals(candidate.substring(0, first) + candidate.substring(last));
    }

    private static String plain(String name) {
        return name.toUpperCase(Locale.ROOT).replaceAll("[_.\\-\\s]", "");
    }

    /**
     * Returns the number of differing letters, two swapped ones counted once: the optimal string alignment distance.
     */
    public static int distance(String a, String b) {
        var rows = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) rows[i][0] = i;
        for (int j = 0; j <= b.length(); j++) rows[0][j] = j;
        for (int i = 1; i <= a.length(); i++) {
            for (int j = 1; j <= b.length(); j++) {
                int replaced = rows[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                int least = Math.min(replaced, Math.min(rows[i - 1][j], rows[i][j - 1]) + 1);
                boolean swapped =
                        i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1);
                rows[i][j] = swapped ? Math.min(least, rows[i - 2][j - 2] + 1) : least;
            }
        }
        return rows[a.length()][b.length()];
    }
}
