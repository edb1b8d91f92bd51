package io.tollgate.ingest;

/** The bytes are no request; the message names the field and the rule. Carries no stack trace: bad input may be frequent. */
final class InvalidRequestException extends Exception {
    private static final long serialVersionUID = 1;

    InvalidRequestException(String message) {
        super(message, null, false, false);
    }
}
