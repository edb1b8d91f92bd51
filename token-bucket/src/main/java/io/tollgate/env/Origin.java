package io.tollgate.env;

/**
 * The origin of a setting.
 *
 * @param kind the layer
 * @param name the option, the properties file, or the file of a secret; empty for the other kinds
 */
public record Origin(Kind kind, String name) {
    /** The layers, the first one wins. */
    public enum Kind {
        OPTION,
        FILE,
        ENVIRONMENT,
        DEFAULT
    }

    static final Origin ENVIRONMENT = new Origin(Kind.ENVIRONMENT, "");
    static final Origin DEFAULT = new Origin(Kind.DEFAULT, "");

    /** Returns the origin as words: {@code environment}, {@code default}, the option or the file. */
    @Override
    public String toString() {
        return switch (kind) {
            case OPTION -> name;
            case FILE -> "file " + name;
            case ENVIRONMENT -> "environment";
            case DEFAULT -> "default";
        };
    }
}
