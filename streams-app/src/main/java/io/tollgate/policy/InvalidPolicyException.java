package io.tollgate.policy;

/** The bytes are no policy; the message is one line that names the field and the rule. Carries no stack trace. */
public final class InvalidPolicyException extends Exception {
    private static final long serialVersionUID = 1;

    InvalidPolicyException(String message) {
        super(message, null, false, false);
    }
}
