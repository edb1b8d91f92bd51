package io.tollgate.redis;

import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisConnectionException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/** Explains failures of Redis in words, and classifies them. Pure functions. */
public final class RedisFailures {
    private static final int MAX_CHARACTERS = 200;
    /** Details that differ from call to call and do not help: the line in the script, the call, the slot, the byte. */
    private static final Pattern OF_ONE_CALL = Pattern.compile(
            "\\s*,? script: .*$|, with args beginning with: .*$|(?<=^(MOVED|ASK) )\\d+ | at buffer index \\d+.*$");

    private RedisFailures() {}

    /** Returns the failure without the wrappers of futures. */
    public static Throwable cause(Throwable failure) {
        var cause = failure;
        while ((cause instanceof CompletionException || cause instanceof ExecutionException)
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    /** Returns whether an answer was late, rather than unusable. The caller has cancelled such a call. */
    public static boolean isTimeout(Throwable failure) {
        var cause = cause(failure);
        return cause instanceof TimeoutException
                || cause instanceof RedisCommandTimeoutException
                || cause instanceof CancellationException;
    }

    /**
     * Returns the reason in one line: the server's own words, or the innermost exception's. The same cause gives the
     * same line. It holds no secret.
     */
    public static String inWords(Throwable failure) {
        var cause = cause(failure);
        var innermost = cause;
        while (innermost.getCause() != null && innermost.getCause() != innermost) innermost = innermost.getCause();
        var message = innermost.getMessage();
        if (message == null || message.isBlank()) {
            return isTimeout(cause) ? "no answer in time" : innermost.getClass().getSimpleName();
        }
        var line = OF_ONE_CALL.matcher(message.lines().findFirst().orElse("")).replaceAll("");
        var shown = line.length() > MAX_CHARACTERS ? line.substring(0, MAX_CHARACTERS) + "..." : line;
        // The outer exception has the address, the inner one the failure.
        if (cause instanceof RedisConnectionException && cause != innermost) return cause.getMessage() + ": " + shown;
        // Lettuce names its own type here, which does not help readers.
        if (innermost instanceof UnsupportedOperationException) return SpendScript.FOREIGN_ANSWER;
        // The message of an Error is often only a name.
        return innermost instanceof Error ? innermost.getClass().getSimpleName() + ": " + shown : shown;
    }
}
