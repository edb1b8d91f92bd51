package io.tollgate.bucket;

/**
 * One limit of an agent that may have several, such as 100 at once beside 50 000 a day. Immutable.
 *
 * @param name as the policy names it: lower case letters, digits, dashes and underscores, at most 64; empty for a
 *     single limit without a name
 */
public record NamedLimit(String name, Limit limit) {
    /** The longest name, in characters. */
    public static final int MAX_NAME = 64;

    /** @throws IllegalArgumentException if the name breaks its rule */
    public NamedLimit {
        if (!name.isEmpty() && !isLegal(name)) {
            throw new IllegalArgumentException(
                    "a limit's name must be lower case letters, digits, - and _, not begin with"
                            + " - or _, and have at most " + MAX_NAME + " characters");
        }
    }

    /** Returns the limit of an agent that has only one. */
    public static NamedLimit only(Limit limit) {
        return new NamedLimit("", limit);
    }

    /** Returns whether a policy may give a limit this name. */
    public static boolean isLegal(String name) {
        if (name.isEmpty() || name.length() > MAX_NAME) return false;
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean letter = c >= 'a' && c <= 'z' || c >= '0' && c <= '9';
            if (!letter && (i == 0 || c != '-' && c != '_')) return false;
        }
        return true;
    }
}
