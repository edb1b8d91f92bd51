package io.tollgate.cli;

import io.tollgate.preflight.Finding;
import java.util.List;

/** A command cannot do what it was asked to; the message is for the user. */
public final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Throws, with one line for each, if any finding is fatal. */
    public static void ifAnyFatal(List<Finding> findings) {
        var fatal = findings.stream().filter(Finding::fatal).map(Finding::text).toList();
        if (!fatal.isEmpty()) throw new CommandFailure(String.join(System.lineSeparator(), fatal));
    }

    /** @param message for the user: what is wrong, and what to do */
    public CommandFailure(String message) {
        super(message);
    }
}
