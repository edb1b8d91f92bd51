package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;

/**
 * The bytes are not a request; the message names the field and the rule. Has no stack trace, because bad input may
 * be frequent.
 */
final class InvalidRequestException extends Exception {
    private static final long serialVersionUID = 1;

    private final InvalidRule rule;

    InvalidRequestException(InvalidRule rule, String message) {
        super(message, null, false, false);
        this.rule = rule;
    }

    InvalidRule rule() {
        return rule;
    }
}
