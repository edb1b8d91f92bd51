package io.tollgate.cli;

import io.tollgate.preflight.Finding;
import java.util.List;

/** A command has failed; the message is for the user. */
public final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Throws a failure with one line for each fatal finding, if there is any. */
    public static void ifAnyFatal(List<Finding> findings) {
        var fatal = findings.stream().filter(Finding::fatal).map(Finding::text).toList();
        if (!fatal.isEmpty()) throw new CommandFailure(String.join(System.lineSeparator(), fatal));
    }

    /** @param message for the user: what is wrong, and what to do */
    public CommandFailure(String message) {
        super(message);
    }
}
