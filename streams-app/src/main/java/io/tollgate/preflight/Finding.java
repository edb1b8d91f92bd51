package io.tollgate.preflight;

/**
 * One result of the preflight check.
 *
 * @param fatal whether the pipeline must not start; otherwise it works, but not as well as it could
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
