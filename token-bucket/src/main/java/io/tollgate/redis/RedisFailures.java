package io.tollgate.redis;

import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisConnectionException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/** What failures of Redis mean, for people and for counting. Pure functions. */
public final class RedisFailures {
    private static final int MAX_CHARACTERS = 200;
    /** What differs from call to call, and helps nobody: where in the script, of which call, for which slot, after which byte. */
    private static final Pattern OF_ONE_CALL = Pattern.compile(
            "\\s*,? script: .*$|, with args beginning with: .*$|(?<=^(MOVED|ASK) )\\d+ | at buffer index \\d+.*$");

    private RedisFailures() {}

    /** Returns the failure without what futures wrap around it. */
    public static Throwable cause(Throwable failure) {
        var cause = failure;
        while ((cause instanceof CompletionException || cause instanceof ExecutionException)
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    /** Returns whether nothing was said in time, rather than something that cannot be used. Who waited no longer cancels the call. */
    public static boolean isTimeout(Throwable failure) {
        var cause = cause(failure);
        return cause instanceof TimeoutException
                || cause instanceof RedisCommandTimeoutException
                || cause instanceof CancellationException;
    }

    /**
     * Returns the reason in one line: what the server said in its own words, or what the innermost exception says. The same cause gives
     * the same line. It holds no secret.
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
        // Which address it was stands outside, and what became of it inside.
        if (cause instanceof RedisConnectionException && cause != innermost) return cause.getMessage() + ": " + shown;
        // Lettuce names its own type here, which says nothing to people.
        if (innermost instanceof UnsupportedOperationException) return SpendScript.FOREIGN_ANSWER;
        // Of an Error the message alone is a name without a verb.
        return innermost instanceof Error ? innermost.getClass().getSimpleName() + ": " + shown : shown;
    }
}
