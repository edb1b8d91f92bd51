package io.tollgate;

/** A command cannot do what it was asked to; the message is for the user. */
final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    CommandFailure(String message) {
        super(message);
    }
}
