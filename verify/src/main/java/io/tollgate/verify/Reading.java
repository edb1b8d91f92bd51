package io.tollgate.verify;

import org.jspecify.annotations.Nullable;

/** The reading of a request, or of a usage report, under the contract's rules. */
sealed interface Reading {
    /** Keeps every rule. */
    record Valid(
            String agentId, double costTokens, @Nullable String requestId, boolean hold) implements Reading {}

    /** A usage report that keeps every rule; {@code doubtful}: it touches an edge that the contract leaves open. */
    record UsageReading(String agentId, String hold, double tokens, boolean doubtful) implements Reading {}

    /** Breaks {@code rule}. */
    record Invalid(String rule) implements Reading {}

    /** Touches an edge that the contract leaves open: a verdict either way is right. */
    record Doubtful(Valid ifValid) implements Reading {}
}
