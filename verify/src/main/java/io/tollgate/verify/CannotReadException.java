package io.tollgate.verify;

/** The topics cannot be read; the message is one line for users. */
public final class CannotReadException extends Exception {
    private static final long serialVersionUID = 1L;

    CannotReadException(String message) {
        super(message);
    }
}
