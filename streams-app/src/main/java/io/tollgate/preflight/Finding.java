package io.tollgate.preflight;

/**
 * Something that is wrong.
 *
 * @param fatal whether the pipeline must not start; otherwise it can work, but worse than it could
 * @param text one line: what is wrong, and what to do
 */
public record Finding(boolean fatal, String text) {
    static Finding fatal(String text) {
        return new Finding(true, text);
    }

    static Finding warning(String text) {
        return new Finding(false, text);
    }
}
