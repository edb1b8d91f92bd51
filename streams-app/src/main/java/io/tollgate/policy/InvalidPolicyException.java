package io.tollgate.policy;

/** The bytes are not a policy. The message is one line that names the field and the rule. Has no stack trace. */
public final class InvalidPolicyException extends Exception {
    private static final long serialVersionUID = 1;

    InvalidPolicyException(String message) {
        super(message, null, false, false);
    }
}
